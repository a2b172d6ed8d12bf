/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of pmix-api share: calls of opal_pmix that cannot wait for ever, and findings. */
#ifndef PMIX_API_H
#define PMIX_API_H

#include "opal_config.h"

#include <stdbool.h>
#include <stdint.h>

#include "opal/constants.h"
#include "opal/mca/pmix/pmix.h"

extern opal_process_name_t me;
extern uint32_t size;
extern bool near_by[64]; /**< rank is on this node */

/** Print a finding as "CHECK by RANK: TEXT". */
void found(const char *check, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** Name of a result. */
const char *result(int rc);
/** Name of a rank of this job. */
opal_process_name_t rank_of(uint32_t vpid);

/** Something that a callback ends. */
struct pending {
    volatile bool done;
    volatile int rc;
    opal_value_t *val; /**< copy */
    char text[256];
};
/** Let others work until p is done. @return false after so many seconds. */
bool wait_for(struct pending *p, double seconds);
void let_pass(double seconds);
void on_op(int status, void *cbdata);
void on_value(int status, opal_value_t *val, void *cbdata);

/** Everybody comes here, and nobody's data travels. */
void together(void);
/** The same with all data, after a commit. */
void exchange(void);

void list_flag(opal_list_t *info, const char *key);
void list_int(opal_list_t *info, const char *key, int value);
void list_u8(opal_list_t *info, const char *key, uint8_t value);
void list_str(opal_list_t *info, const char *key, const char *value);
void list_proc(opal_list_t *procs, uint32_t vpid);

int put_int(opal_pmix_scope_t scope, const char *key, int value);
/** Blocking, for at most so many seconds (0: for ever). @return text: the value or the error */
const char *get_text(uint32_t vpid, const char *key, const char *how, int seconds);

void part_data(void);
void part_nonsense(void);
void part_job(void);
void part_names(void);
void part_vain(void);
void part_gone(void);
void part_connect(void);
void part_events(void);
void part_query(void);
void part_log(const char *many);
void part_death(const char *how);

#endif
