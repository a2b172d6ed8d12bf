/* SPDX-License-Identifier: BSD-3-Clause */
/* Settings and where they come from. */
#include "shim_config.h"

#include "shim_msg.h"
#include "shim_path.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NSETTINGS 32

const struct shim_setting shim_settings[] = {
    {"mem", "TOROBUS_MEM", "7/8 of what the host has free", "memory of a guest's ranks"},
    {"mem_per_rank", "TOROBUS_MEM_PER_RANK", "not limited", "the same, by rank"},
    {"fs", "TOROBUS_FS", "rw", "files of the host that a guest sees"},
    {"root", "TOROBUS_ROOT", "/", "what a guest sees as /"},
    {"boot_timeout", "TOROBUS_BOOT_TIMEOUT", "60", "seconds for a guest to report in"},
    {"spin_ns", "TOROBUS_SPIN_NS", "by vCPUs and cores", "how long a core spins before it sleeps"},
    {"log", "TOROBUS_LOG", "0", "steps of the kernel"},
    {"guests", "TOROBUS_GUESTS", "15", "guests that a job's region has room for"},
    {"slice_size", "TOROBUS_SLICE_SIZE", "16G", "addresses of a guest"},
    {"cores_per_rank", "TOROBUS_CORES_PER_RANK", "1", "virtual CPUs of a rank"},
    {"hugepages", "TOROBUS_HUGEPAGES", "off",
     "pages of the region: hugetlb takes reserved huge ones"},
    {"bind", "TOROBUS_BIND", "auto",
     "pinning of virtual CPUs: as mpirun binds (auto), core or none"},
    {"local", "TOROBUS_LOCAL", "auto", "ranks on mpirun's own node: auto, guest or native"},
    {"keep", "TOROBUS_KEEP", "0", "seconds that guests stay for the next job"},
    {"group", "TOROBUS_GROUP", "none", "jobs of the same group share a region and can connect"},
    {"accel", "TOROBUS_ACCEL", "auto", "auto, kvm or tcg"},
    {"qemu", "TOROBUS_QEMU", "qemu-system-x86_64", "QEMU"},
    {"kernel", "TOROBUS_KERNEL", "lib/torobus/torobus.elf of the prefix", "kernel image"},
    {NULL, NULL, NULL, NULL},
};

/** Origins of those that a file has set in this process. */
static char origin[NSETTINGS][SHIM_PATH_MAX + 16];

static char *trim(char *s)
{
    char *end;

    while (isspace((unsigned char)*s))
        s++;
    end = s + strlen(s);
    while (end > s && isspace((unsigned char)end[-1]))
        end--;
    *end = '\0';
    return s;
}

static int find(const char *name)
{
    for (int i = 0; shim_settings[i].name; i++)
        if (strcmp(shim_settings[i].name, name) == 0)
            return i;
    return -1;
}

static bool take(char *line, const char *path, unsigned nr, bool seen[NSETTINGS], char err[512])
{
    char *eq, *name, *value;
    int i;

    line = trim(line);
    if (*line == '\0' || *line == '#')
        return true;
    eq = strchr(line, '=');
    if (!eq || eq == line) {
        snprintf(err, 512, "%.300s:%u: \"%.60s\" is no setting: write NAME = VALUE", path, nr,
                 line);
        return false;
    }
    *eq = '\0';
    name = trim(line);
    value = trim(eq + 1);
    i = find(name);
    if (i < 0) {
        snprintf(err, 512,
                 "%.300s:%u: there is no setting \"%.60s\"; toro-info --settings lists them", path,
                 nr, name);
        return false;
    }
    if (seen[i]) {
        snprintf(err, 512, "%.300s:%u: %s is set a second time", path, nr, name);
        return false;
    }
    if (*value == '\0') {
        snprintf(err, 512, "%.300s:%u: %s has no value", path, nr, name);
        return false;
    }
    seen[i] = true;
    if (getenv(shim_settings[i].env) && *getenv(shim_settings[i].env))
        return true; /* the environment, or a file that goes before this one, says otherwise */
    if (setenv(shim_settings[i].env, value, 1) != 0) {
        snprintf(err, 512, "no memory");
        return false;
    }
    snprintf(origin[i], sizeof(origin[i]), "%s:%u", path, nr);
    return true;
}

bool shim_config_parse(FILE *f, const char *path, char err[512])
{
    bool seen[NSETTINGS] = {false}, ok = true;
    char *line = NULL;
    size_t room = 0;
    ssize_t n;

    for (unsigned nr = 1; ok && (n = getline(&line, &room, f)) >= 0; nr++) {
        if (strlen(line) != (size_t)n) {
            snprintf(err, 512, "%.300s:%u: a byte 0: this is no text file", path, nr);
            ok = false;
        } else {
            ok = take(line, path, nr, seen, err);
        }
    }
    if (ok && ferror(f)) {
        snprintf(err, 512, "cannot read %.300s: %s", path, strerror(errno));
        ok = false;
    }
    free(line);
    return ok;
}

/** @param must whether it is an error that the file is not there */
static bool load(const char *path, bool must, char err[512])
{
    FILE *f = fopen(path, "re");
    bool ok;

    if (!f && !must && (errno == ENOENT || errno == ENOTDIR))
        return true;
    if (!f) {
        snprintf(err, 512, "cannot read %s%.300s: %s", must ? "TOROBUS_CONFIG=" : "", path,
                 strerror(errno));
        return false;
    }
    ok = shim_config_parse(f, path, err);
    fclose(f);
    return ok;
}

bool shim_config_load(char err[512])
{
    const char *named = getenv("TOROBUS_CONFIG"), *xdg = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    char path[SHIM_PATH_MAX], dir[SHIM_PATH_MAX];
    bool ok = true;

    if (named && *named)
        ok = load(named, true, err);
    else if (!named && xdg && *xdg == '/')
        ok = snprintf(path, sizeof(path), "%s/torobus.conf", xdg) >= (int)sizeof(path) ||
             load(path, false, err);
    else if (!named && home && *home == '/')
        ok = snprintf(path, sizeof(path), "%s/.config/torobus.conf", home) >= (int)sizeof(path) ||
             load(path, false, err);
    if (ok && shim_path_own_dir(dir) &&
        snprintf(path, sizeof(path), "%s/../etc/torobus.conf", dir) < (int)sizeof(path))
        ok = load(path, false, err);
    return ok;
}

void shim_config_need(void)
{
    char err[512];

    if (!shim_config_load(err))
        shim_die(SHIM_EXIT_USAGE, "%s", err);
}

const char *shim_config_source(const struct shim_setting *s)
{
    const char *value = getenv(s->env);

    if (!value || !*value)
        return "default";
    return origin[s - shim_settings][0] ? origin[s - shim_settings] : "environment";
}
