/* SPDX-License-Identifier: BSD-3-Clause */
/* Does KVM run kernel code at the speed of the machine? A software KVM opens, creates guests and
 * even runs them, but interprets ring 0; only timing tells. The probe runs a loop in 64-bit ring 0
 * in a child that is killed after a time limit. */
#include "shim_accel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GUEST_BYTES (64u << 10)
#define GUEST_CODE  0x1000u
#define GUEST_PML4  0x2000u
#define GUEST_PDPT  0x3000u
#define GUEST_PD    0x4000u
#define GUEST_STACK 0x8000u
#define LOOPS       2000000u
#define LIMIT_MS    500
/** Slower than this per iteration is interpretation: real machines need a few cycles. */
#define SLOW_NS_PER_LOOP 20.0

static const unsigned char code[] = {
    0xb9,
    LOOPS & 0xff,
    LOOPS >> 8 & 0xff,
    LOOPS >> 16 & 0xff,
    LOOPS >> 24 & 0xff, /* mov ecx */
    0xff,
    0xc9, /* 1: dec ecx */
    0x75,
    0xfc, /* jnz 1b */
    0x31,
    0xc0,
    0x31,
    0xd2,
    0x31,
    0xdb, /* xor eax,eax; edx; ebx */
    0xf0,
    0x48,
    0x0f,
    0xc7,
    0x0c,
    0x25,
    0x00,
    0x90,
    0x00,
    0x00, /* lock cmpxchg16b [0x9000] */
    0xf4, /* hlt */
};

/** One long-mode vCPU with the first 2 MiB mapped to themselves. @return its descriptor or -1. */
static int make_vcpu(int kvm, struct kvm_run **run)
{
    struct kvm_userspace_memory_region slot = {.memory_size = GUEST_BYTES};
    struct kvm_segment seg = {
        .limit = 0xffffffffu, .selector = 8, .present = 1, .type = 11, .s = 1, .l = 1, .g = 1};
    struct kvm_regs regs = {.rip = GUEST_CODE, .rsp = GUEST_STACK, .rflags = 2};
    struct kvm_sregs sregs;
    unsigned char *mem;
    uint64_t entry;
    int vm, cpu, size;

    vm = ioctl(kvm, KVM_CREATE_VM, 0);
    mem = mmap(NULL, GUEST_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (vm < 0 || mem == MAP_FAILED)
        return -1;
    memcpy(mem + GUEST_CODE, code, sizeof(code));
    entry = GUEST_PDPT | 3;
    memcpy(mem + GUEST_PML4, &entry, 8);
    entry = GUEST_PD | 3;
    memcpy(mem + GUEST_PDPT, &entry, 8);
    entry = 0x83; /* one 2 MiB page */
    memcpy(mem + GUEST_PD, &entry, 8);
    slot.userspace_addr = (uintptr_t)mem;
    cpu = ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot) == 0 ? ioctl(vm, KVM_CREATE_VCPU, 0) : -1;
    size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (cpu < 0 || size < (int)sizeof(**run) || ioctl(cpu, KVM_GET_SREGS, &sregs) != 0)
        return -1;
    *run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, cpu, 0);
    if (*run == MAP_FAILED)
        return -1;
    sregs.cs = seg;
    seg.type = 3;
    seg.selector = 16;
    seg.l = 0;
    seg.db = 1;
    sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = seg;
    sregs.cr3 = GUEST_PML4;
    sregs.cr4 = 0x20;       /* PAE */
    sregs.cr0 = 0x80000011; /* PG, ET, PE */
    sregs.efer = 0x500;     /* LMA, LME */
    if (ioctl(cpu, KVM_SET_SREGS, &sregs) != 0 || ioctl(cpu, KVM_SET_REGS, &regs) != 0)
        return -1;
    return cpu;
}

/** Child: exits 0 after a clean run, 1 if KVM does not do it. */
static void probe_child(void)
{
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    struct kvm_run *run;
    int cpu;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (kvm < 0 || ioctl(kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
        _exit(1);
    cpu = make_vcpu(kvm, &run);
    if (cpu < 0)
        _exit(1);
    while (ioctl(cpu, KVM_RUN, 0) != 0)
        if (errno != EINTR)
            _exit(1);
    _exit(run->exit_reason == KVM_EXIT_HLT ? 0 : 1);
}

enum shim_kvm shim_kvm_probe(char detail[160])
{
    struct timespec a, b;
    int p[2], status = 0;
    bool late;
    pid_t pid;
    double ms;

    if (access("/dev/kvm", R_OK | W_OK) != 0) {
        snprintf(detail, 160, "/dev/kvm: %s", strerror(errno));
        return SHIM_KVM_ABSENT;
    }
    /* the read end tells when the child is gone, however it went */
    if (pipe2(p, O_CLOEXEC) != 0) {
        snprintf(detail, 160, "no pipe for the KVM probe: %s", strerror(errno));
        return SHIM_KVM_BROKEN;
    }
    clock_gettime(CLOCK_MONOTONIC, &a);
    pid = fork();
    if (pid == 0)
        probe_child();
    close(p[1]);
    if (pid < 0) {
        close(p[0]);
        snprintf(detail, 160, "no process for the KVM probe: %s", strerror(errno));
        return SHIM_KVM_BROKEN;
    }
    late = poll(&(struct pollfd){.fd = p[0], .events = POLLIN}, 1, LIMIT_MS) == 0;
    clock_gettime(CLOCK_MONOTONIC, &b);
    close(p[0]);
    kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    ms = (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
    if (late) {
        snprintf(detail, 160, "KVM is here, but a tiny guest did not end within %d ms", LIMIT_MS);
        return SHIM_KVM_SLOW;
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        snprintf(detail, 160, "KVM is here, but does not run a tiny guest");
        return SHIM_KVM_BROKEN;
    }
    if (ms * 1e6 / LOOPS > SLOW_NS_PER_LOOP) {
        snprintf(detail, 160, "KVM is here, but emulates kernel code (%.0f ns per loop)",
                 ms * 1e6 / LOOPS);
        return SHIM_KVM_SLOW;
    }
    snprintf(detail, 160, "KVM runs a tiny guest in %.0f ms", ms);
    return SHIM_KVM_GOOD;
}
