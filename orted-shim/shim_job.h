/* SPDX-License-Identifier: BSD-3-Clause */
/* Names: the key of a job, the keeper's address, the node. */
#ifndef SHIM_JOB_H
#define SHIM_JOB_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#define SHIM_KEY_LEN 16 /**< hex digits */

/** Key of the job whose mpirun has this contact URI: FNV-1a-64 in hex. */
void shim_job_key(const char *uri, char key[SHIM_KEY_LEN + 1]);

/**
 * The group that this job belongs to (TOROBUS_GROUP): jobs of one user that name the same one share
 * a keeper and a region.
 *
 * @param[out] key the group's, in the place of the job's own
 * @return 1; 0 if it belongs to none; -1 if the name is impossible.
 */
int shim_job_group(char key[SHIM_KEY_LEN + 1]);

/** Tell a node's guest from those that other jobs of a group have for a node of that name.
 * @return false if the name becomes too long. */
bool shim_job_guest(char node[64], uint32_t jobid);

/** A key that nobody else has. @return false if the machine gives no random bytes. */
bool shim_job_key_random(char key[SHIM_KEY_LEN + 1]);

/**
 * Find the key of the job that this process belongs to, from its environment: the contact URI of
 * mpirun, else the PMIx namespace and server.
 *
 * @return false if there is neither.
 */
bool shim_job_key_env(char key[SHIM_KEY_LEN + 1]);

/** The keeper's abstract socket of a job of this user. @return the address' length. */
socklen_t shim_job_address(const char *key, struct sockaddr_un *sa);

/** Whether a name can be a node's: 1-63 of A-Z a-z 0-9 . _ - and no leading dash. */
bool shim_node_ok(const char *name);

/** This process' node: TOROBUS_NODE, else the machine's name. @return false if it is impossible. */
bool shim_node_name(char node[64]);

#endif
