/* SPDX-License-Identifier: BSD-3-Clause */
/* QEMU's command line, compared with tests/shim/NAME.args. TORO_UPDATE_GOLDEN=1 writes those files
 * anew; look at the difference before you commit it. */
#include "tap.h"

#include "../../orted-shim/shim_qemuargv.c"

static const struct {
    const char *name;
    struct shim_qemu_config c;
} cases[] = {
    {"plain",
     {.qemu = "/usr/bin/qemu-system-x86_64",
      .kernel = "/opt/torobus/lib/torobus/torobus.elf",
      .name = "vm0",
      .accel = SHIM_ACCEL_TCG,
      .fs = SHIM_FS_RW,
      .guest = 0,
      .ncores = 2,
      .vectors = 64,
      .kernel_mib = 64,
      .host_cpus = 2,
      .spin_ns = 200000,
      .ivshmem_fd = 10,
      .ctl_fd = 11,
      .console_fd = 12,
      .qmp_fd = 13}},
    {"kvm",
     {.qemu = "/usr/bin/qemu-system-x86_64",
      .kernel = "/opt/torobus/lib/torobus/torobus.elf",
      .firmware = "/usr/share/qemu/qboot.rom",
      .name = "node-17.example",
      .accel = SHIM_ACCEL_KVM,
      .fs = SHIM_FS_RW,
      .guest = 14,
      .ncores = 64,
      .vectors = 64,
      .kernel_mib = 64,
      .caches = "d1:32768:8:64:0,u2:1048576:16:64:0,u3:33554432:0:64:1",
      .host_cpus = 128,
      .spin_ns = 1000000,
      .ivshmem_fd = 100,
      .ctl_fd = 101,
      .console_fd = 102,
      .qmp_fd = 103}},
    {"readonly",
     {.qemu = "/usr/bin/qemu-system-x86_64",
      .kernel = "/opt/torobus/lib/torobus/torobus.elf",
      .name = "vm1",
      .accel = SHIM_ACCEL_TCG,
      .fs = SHIM_FS_RO,
      .guest = 1,
      .ncores = 1,
      .vectors = 16,
      .kernel_mib = 64,
      .host_cpus = 1,
      .log = 2,
      .spin_ns = 0,
      .ivshmem_fd = 10,
      .ctl_fd = 11,
      .console_fd = 12,
      .qmp_fd = 13}},
    {"nofiles",
     {.qemu = "/usr/bin/qemu-system-x86_64",
      .kernel = "/opt/torobus/lib/torobus/torobus.elf",
      .name = "vm2",
      .accel = SHIM_ACCEL_TCG,
      .fs = SHIM_FS_NONE,
      .guest = 2,
      .ncores = 8,
      .vectors = 64,
      .kernel_mib = 64,
      .host_cpus = 2,
      .spin_ns = 5000,
      .ivshmem_fd = 10,
      .ctl_fd = 11,
      .console_fd = 12,
      .qmp_fd = 13}},
    {"oddpaths",
     {.qemu = "/home/a user/qemu's/qemu",
      .kernel = "/home/a user/$HOME,x=y;z/torobus.elf",
      .name = "x",
      .accel = SHIM_ACCEL_TCG,
      .fs = SHIM_FS_RW,
      .guest = 0,
      .ncores = 1,
      .vectors = 64,
      .kernel_mib = 64,
      .host_cpus = 2,
      .spin_ns = 1,
      .ivshmem_fd = 3,
      .ctl_fd = 4,
      .console_fd = 5,
      .qmp_fd = 6}},
};

static char *read_file(const char *path)
{
    FILE *f = fopen(path, "r");
    static char text[16384];
    size_t n;

    if (!f)
        return NULL;
    n = fread(text, 1, sizeof(text) - 1, f);
    text[n] = '\0';
    fclose(f);
    return text;
}

static void compare(const char *name, const char *got)
{
    const char *src = getenv("TORO_SRC"), *update = getenv("TORO_UPDATE_GOLDEN"), *want;
    char path[4096];
    FILE *f;

    snprintf(path, sizeof(path), "%s/tests/shim/%s.args", src ? src : ".", name);
    if (update && *update == '1') {
        f = fopen(path, "w");
        t_ok(f && fputs(got, f) >= 0 && fclose(f) == 0, "%s: written", name);
        return;
    }
    want = read_file(path);
    if (!t_ok(want && strcmp(want, got) == 0, "%s: as in %s.args", name, name)) {
        t_diag("got:");
        for (const char *p = got; *p; p += strcspn(p, "\n") + 1)
            t_diag("%.*s", (int)strcspn(p, "\n"), p);
    }
}

int main(void)
{
    struct shim_argv args;
    enum shim_fs fs;
    char *text;

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (!t_ok(shim_qemu_argv(&cases[i].c, &args), "%s: built", cases[i].name))
            continue;
        text = shim_argv_format(&args);
        compare(cases[i].name, text);
        t_ok(args.n < SHIM_QEMU_ARGS_MAX && args.v[args.n] == NULL, "%s: terminated",
             cases[i].name);
        free(text);
        shim_argv_free(&args);
    }
    t_ok(shim_fs_parse("none", &fs) && fs == SHIM_FS_NONE, "fs none");
    t_ok(shim_fs_parse("ro", &fs) && fs == SHIM_FS_RO, "fs ro");
    t_ok(shim_fs_parse("rw", &fs) && fs == SHIM_FS_RW, "fs rw");
    t_ok(!shim_fs_parse("", &fs) && !shim_fs_parse("r", &fs), "nothing else");
    return t_done();
}
