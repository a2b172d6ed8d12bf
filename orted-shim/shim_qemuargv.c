/* SPDX-License-Identifier: BSD-3-Clause */
/* The QEMU command line of a guest, as a pure function of its configuration. */
#include "shim_qemuargv.h"

#include "shim_path.h"

#include "torobus/boot.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const fs_names[] = {"none", "ro", "rw"};

const char *shim_accel_name(enum shim_accel a)
{
    return a == SHIM_ACCEL_KVM ? "kvm" : "tcg";
}

const char *shim_fs_name(enum shim_fs f)
{
    return fs_names[f];
}

bool shim_fs_parse(const char *text, enum shim_fs *fs)
{
    for (unsigned i = 0; i < 3; i++) {
        if (strcmp(text, fs_names[i]) == 0) {
            *fs = (enum shim_fs)i;
            return true;
        }
    }
    return false;
}

static void add(struct shim_argv *a, bool *ok, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void add(struct shim_argv *a, bool *ok, const char *fmt, ...)
{
    va_list ap;
    char *s;

    if (!*ok || a->n == SHIM_QEMU_ARGS_MAX) {
        *ok = false;
        return;
    }
    va_start(ap, fmt);
    if (vasprintf(&s, fmt, ap) < 0)
        s = NULL;
    va_end(ap);
    if (!s) {
        *ok = false;
        return;
    }
    a->v[a->n++] = s;
    a->v[a->n] = NULL;
}

/** As QEMU wants a comma inside a value. @return false if the path is too long. */
static bool double_commas(const char *path, char out[2 * SHIM_PATH_MAX])
{
    if (strlen(path) >= SHIM_PATH_MAX)
        return false;
    for (; *path; path++) {
        *out++ = *path;
        if (*path == ',')
            *out++ = ',';
    }
    *out = '\0';
    return true;
}

bool shim_qemu_argv(const struct shim_qemu_config *c, struct shim_argv *a)
{
    char root[2 * SHIM_PATH_MAX];
    bool ok = true;

    memset(a, 0, sizeof(*a));
    add(a, &ok, "%s", c->qemu);
    add(a, &ok, "-name");
    add(a, &ok, "torobus-%s,debug-threads=on", c->name);
    add(a, &ok, "-nodefaults");
    add(a, &ok, "-no-user-config");
    add(a, &ok, "-display");
    add(a, &ok, "none");
    add(a, &ok, "-no-reboot");
    add(a, &ok, "-M");
    add(a, &ok, "pc,vmport=off,hpet=off");
    add(a, &ok, "-accel");
    add(a, &ok, c->accel == SHIM_ACCEL_KVM ? "kvm" : "tcg,thread=multi");
    add(a, &ok, "-cpu");
    /* TCG does `rep movsb` one byte per step: let glibc pick its SSE and AVX copies */
    add(a, &ok, c->accel == SHIM_ACCEL_KVM ? "host" : "max,-erms,-fsrm");
    add(a, &ok, "-smp");
    /* Where there can only be one vCPU, TCG leaves out fences and does locked instructions in
     * steps. But other guests share the region, so it is told that a second one might come. */
    if (c->accel == SHIM_ACCEL_TCG && c->ncores == 1)
        add(a, &ok, "1,maxcpus=2");
    else
        add(a, &ok, "%u", c->ncores);
    add(a, &ok, "-m");
    add(a, &ok, "%uM", c->kernel_mib);
    add(a, &ok, "-sandbox");
    add(a, &ok, "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");

    add(a, &ok, "-chardev");
    add(a, &ok, "socket,id=bus,fd=%d", c->ivshmem_fd);
    add(a, &ok, "-device");
    add(a, &ok, "ivshmem-doorbell,chardev=bus,vectors=%u", c->vectors);
    add(a, &ok, "-chardev");
    add(a, &ok, "socket,id=ctl,fd=%d", c->ctl_fd);
    add(a, &ok, "-device");
    add(a, &ok, "virtio-serial-pci,max_ports=2");
    add(a, &ok, "-device");
    add(a, &ok, "virtserialport,nr=1,chardev=ctl,name=" TOROBUS_PORT_CTL);
    /* With fs=none too: the kernel loads the program from there, but shows the ranks nothing. */
    add(a, &ok, "-fsdev");
    ok = ok && double_commas(c->root ? c->root : "/", root);
    add(a, &ok, "local,id=root,path=%s,security_model=none,multidevs=remap%s", root,
        c->fs == SHIM_FS_RW ? "" : ",readonly=on");
    add(a, &ok, "-device");
    add(a, &ok, "virtio-9p-pci,fsdev=root,mount_tag=" TOROBUS_9P_TAG);
    add(a, &ok, "-chardev");
    add(a, &ok, "socket,id=console,fd=%d", c->console_fd);
    add(a, &ok, "-device");
    add(a, &ok, "isa-serial,chardev=console");
    add(a, &ok, "-chardev");
    add(a, &ok, "socket,id=qmp,fd=%d", c->qmp_fd);
    add(a, &ok, "-mon");
    add(a, &ok, "chardev=qmp,mode=control");
    add(a, &ok, "-device");
    add(a, &ok, "isa-debug-exit,iobase=0x%x,iosize=4", TOROBUS_DEBUG_EXIT);

    if (c->gdb) {
        char path[2 * SHIM_PATH_MAX];

        ok = ok && double_commas(c->gdb, path);
        add(a, &ok, "-gdb");
        add(a, &ok, "unix:%s,server=on,wait=off", path);
    }

    /* It does no more than to start the kernel, in a tenth of SeaBIOS's time. */
    if (c->firmware && *c->firmware) {
        add(a, &ok, "-bios");
        add(a, &ok, "%s", c->firmware);
    }
    add(a, &ok, "-kernel");
    add(a, &ok, "%s", c->kernel);
    add(a, &ok, "-append");
    add(a, &ok,
        TOROBUS_BOOT_GUEST "=%u " TOROBUS_BOOT_CORES "=%u " TOROBUS_BOOT_NAME
                           "=%s " TOROBUS_BOOT_SPIN "=%" PRIu64 " " TOROBUS_BOOT_FS
                           "=%s " TOROBUS_BOOT_CPUMASK "=%u " TOROBUS_BOOT_LOG "=%u%s%s%s",
        c->guest, c->ncores, c->name, c->spin_ns, shim_fs_name(c->fs), c->host_cpus, c->log,
        c->hoard ? " " TOROBUS_BOOT_GIVEBACK "=0" : "",
        c->caches && *c->caches ? " " TOROBUS_BOOT_CACHES "=" : "", c->caches ? c->caches : "");
    if (!ok)
        shim_argv_free(a);
    return ok;
}

void shim_argv_free(struct shim_argv *a)
{
    for (unsigned i = 0; i < a->n; i++)
        free(a->v[i]);
    memset(a, 0, sizeof(*a));
}

/** Whether a shell takes the word as it is. */
static bool plain(const char *s)
{
    return *s && strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                           "_-./,=:+@%") == strlen(s);
}

char *shim_argv_format(const struct shim_argv *a)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    if (!f)
        return NULL;
    for (unsigned i = 0; i < a->n; i++) {
        const char *s = a->v[i];

        if (i > 0)
            fputs(s[0] == '-' ? " \\\n" : " ", f);
        if (plain(s)) {
            fputs(s, f);
            continue;
        }
        fputc('\'', f);
        for (; *s; s++) {
            if (*s == '\'')
                fputs("'\\''", f);
            else
                fputc(*s, f);
        }
        fputc('\'', f);
    }
    fputc('\n', f);
    return fclose(f) == 0 ? text : (free(text), NULL);
}
