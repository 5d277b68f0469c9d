#include "channel.h"

#include <string.h>
#include <sys.h>

union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int) * CHANNEL_MAX_FDS)];
};

void channel_close_all(const int *fds, uint32_t nfds)
{
    for (uint32_t i = 0; i < nfds; i++)
        if (fds[i] >= 0)
            (void)sys_close(fds[i]);
}

long channel_send(int fd, const void *data, size_t length, const int *fds, uint32_t nfds, int flags)
{
    struct iovec iov = {(void *)(uintptr_t)data, length};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    union control control;

    if (nfds > CHANNEL_MAX_FDS)
        return -EINVAL;
    if (nfds) {
        memset(&control, 0, sizeof(control));
        msg.msg_control = control.bytes;
        msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
    }
    for (;;) {
        ssize_t n = sys_sendmsg(fd, &msg, flags | MSG_NOSIGNAL);
        if (n >= 0)
            return n;
        if (errno != EINTR)
            return -errno;
    }
}

static uint32_t take_fds(struct msghdr *msg, int *fds, uint32_t room)
{
    uint32_t got = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int one;
            memcpy(&one, CMSG_DATA(c) + i * sizeof(int), sizeof(one));
            if (got < room)
                fds[got++] = one;
            else
                (void)sys_close(one);
        }
    }
    return got;
}

long channel_recv(int fd, void *data, size_t length, int *fds, uint32_t *nfds, int flags)
{
    struct iovec iov = {data, length};
    union control control;
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};

    ssize_t n = sys_recvmsg(fd, &msg, flags | MSG_CMSG_CLOEXEC);
    uint32_t room = *nfds;
    *nfds = 0;
    if (n < 0)
        return -errno;
    *nfds = take_fds(&msg, fds, room);
    return n;
}
