/* SPDX-License-Identifier: BSD-3-Clause */
/* toro-info: finding this user's jobs, and asking their keepers. */
#include "info.h"
#include "shim_attach.h"
#include "shim_hello.h"
#include "shim_msg.h"
#include "torobus/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

bool info_is_key(const char *text)
{
    return strspn(text, "0123456789abcdef") == SHIM_KEY_LEN && strlen(text) == SHIM_KEY_LEN;
}

/* Listening abstract sockets "torobus/<uid>/<key>". */
unsigned info_jobs(char keys[INFO_MAX_JOBS][SHIM_KEY_LEN + 1])
{
    FILE *f = fopen("/proc/net/unix", "re");
    char line[512], prefix[48];
    unsigned n = 0;

    snprintf(prefix, sizeof(prefix), " @torobus/%u/", (unsigned)getuid());
    while (f && n < INFO_MAX_JOBS && fgets(line, sizeof(line), f)) {
        char *p = strstr(line, prefix);
        unsigned flags = 0;

        /* 0x10000: listening; connections made through it have the same name */
        if (!p || sscanf(line, "%*s %*s %*s %x", &flags) != 1 || !(flags & 0x10000))
            continue;
        p += strlen(prefix);
        if (strspn(p, "0123456789abcdef") != SHIM_KEY_LEN)
            continue;
        memcpy(keys[n], p, SHIM_KEY_LEN);
        keys[n++][SHIM_KEY_LEN] = '\0';
    }
    if (f)
        fclose(f);
    return n;
}

char *info_ask(const char *key, uint32_t query, const char *node, bool *gone)
{
    struct torobus_ctl_hdr h = {.magic = TOROBUS_CTL_MAGIC,
                                .type = TOROBUS_CTL_ATTACH_INFO,
                                .rank = TOROBUS_CTL_NOBODY,
                                .len = (uint32_t)strlen(node),
                                .arg = query};
    struct iovec iov[2] = {{&h, sizeof(h)}, {(void *)node, h.len}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
    const struct timeval limit = {.tv_sec = 5};
    char err[256], *text = NULL;
    int fd = shim_attach(key, false, NULL, err);

    if (gone)
        *gone = fd < 0;
    if (fd < 0) {
        if (!gone)
            shim_error("%s", err);
        return NULL;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (sendmsg(fd, &msg, MSG_NOSIGNAL) == (ssize_t)(sizeof(h) + h.len) &&
        shim_read_all(fd, &h, sizeof(h)) && torobus_ctl_hdr_ok(&h) &&
        (text = malloc((size_t)h.len + 1)) != NULL && shim_read_all(fd, text, h.len)) {
        text[h.len] = '\0';
        if (h.type != TOROBUS_CTL_REPORT) {
            shim_print_foreign(text, h.len);
            free(text);
            text = NULL;
        }
    } else {
        if (gone)
            *gone = true;
        else
            shim_error("job %s%s%s does not answer", key, *node ? ", guest " : "", node);
        free(text);
        text = NULL;
    }
    close(fd);
    return text;
}
