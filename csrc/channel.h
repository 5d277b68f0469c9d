/* channel.h - messages with descriptors over unix sockets. Internal. */
#ifndef PVS_CHANNEL_H
#define PVS_CHANNEL_H

#include "frame.h"

#define CHANNEL_MAX_FDS (EXEC_FIXED_FDS + PVS_MAX_FDS)

/* Sends iov with descriptors; bytes sent or -errno (-EAGAIN with MSG_DONTWAIT). */
PVS_CHECKED long channel_send(int fd, const void *data, size_t length, const int *fds, uint32_t nfds, int flags);
/* Receives at most length bytes; descriptors go to fds (CLOEXEC), at most *nfds; surplus ones are closed. 0 = EOF. */
PVS_CHECKED long channel_recv(int fd, void *data, size_t length, int *fds, uint32_t *nfds, int flags);
void channel_close_all(const int *fds, uint32_t nfds);

#endif
