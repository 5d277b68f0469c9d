/*
 * rig_worker.h - what a worker of the rig does, said by its payload: "WORD" or "WORD ARGUMENT".
 * A word that begins with ! says so by a progress note once it is where it wants to be.
 */
#ifndef RIG_WORKER_H
#define RIG_WORKER_H

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "frame.h"

struct doing {
    pvs_worker *worker;
    const struct pvs_job *job;
    const char *rest; /* the argument */
    long number;      /* the same */
};

static inline void do_answer(const struct doing *d, const char *text)
{
    if (pvs_worker_send(d->worker, PVS_REPLY_RESULT, text, strlen(text)) < 0)
        _exit(97);
}

static inline void do_note(const struct doing *d)
{
    if (pvs_worker_send(d->worker, PVS_REPLY_PROGRESS, "here", 4) < 0)
        _exit(97);
}

static inline void do_sleep(long ms)
{
    struct timespec t = {ms / 1000, (ms % 1000) * 1000000};
    while (nanosleep(&t, &t) < 0) {
    }
}

static inline void do_for_ever(void)
{
    for (;;)
        (void)pause();
}

static inline void do_echo(const struct doing *d)
{
    do_answer(d, d->rest);
}

static inline void do_length(const struct doing *d)
{
    char text[64];
    unsigned long sum = 0;

    for (uint32_t i = 0; i < d->job->length; i++)
        sum = sum * 31 + (unsigned char)d->job->payload[i];
    snprintf(text, sizeof(text), "%u %lx", d->job->length, sum);
    do_answer(d, text);
}

static inline void do_sleep_then_answer(const struct doing *d)
{
    do_sleep(d->number);
    do_answer(d, "slept");
}

static inline void do_pid(const struct doing *d)
{
    char text[32];
    snprintf(text, sizeof(text), "%d", (int)getpid());
    do_answer(d, text);
}

static inline void do_raise(const struct doing *d)
{
    if (pvs_worker_send(d->worker, PVS_REPLY_RAISED, d->rest, strlen(d->rest)) < 0)
        _exit(97);
}

static inline void do_exit(const struct doing *d)
{
    _exit((int)d->number);
}

static inline void do_signal(const struct doing *d)
{
    (void)raise((int)d->number);
    do_for_ever();
}

static inline void do_big(const struct doing *d)
{
    char *body = malloc((size_t)d->number + 1);

    memset(body, 'b', (size_t)d->number);
    if (pvs_worker_send(d->worker, PVS_REPLY_RESULT, body, (size_t)d->number) < 0)
        _exit(97);
    free(body);
}

static inline void do_notes(const struct doing *d)
{
    for (long i = 0; i < d->number; i++)
        do_note(d);
    do_answer(d, "noted");
}

static inline void do_flood_notes(const struct doing *d)
{
    for (;;)
        if (pvs_worker_send(d->worker, PVS_REPLY_LOG, "", 0) < 0)
            _exit(97);
}

static inline void do_ignore_term(const struct doing *d)
{
    (void)signal(SIGTERM, SIG_IGN);
    do_note(d);
    do_for_ever();
}

static inline void do_wait(const struct doing *d)
{
    do_note(d);
    do_for_ever();
}

static inline void do_stop(const struct doing *d)
{
    do_note(d);
    (void)raise(SIGSTOP);
    do_for_ever();
}

static inline void do_close_pipe(const struct doing *d)
{
    do_note(d);
    (void)close(3);
    do_for_ever();
}

static inline void do_shut_pipe(const struct doing *d)
{
    do_note(d);
    (void)shutdown(3, (int)d->number);
    do_for_ever();
}

static inline void do_garbage(const struct doing *d)
{
    char junk[512];

    memset(junk, 0xa5, sizeof(junk));
    for (;;)
        if (write(3, junk, d->number ? (size_t)d->number : sizeof(junk)) < 0)
            _exit(0);
        else if (d->number)
            do_for_ever();
}

/* A grandchild in a session of its own, that ignores SIGTERM and knows nobody. */
static inline void do_leave_stranger(void)
{
    int ready[2];
    char byte;

    if (pipe(ready) < 0)
        _exit(96);
    pid_t child = fork();
    if (child == 0) {
        if (fork() != 0)
            _exit(0);
        (void)setsid();
        (void)signal(SIGTERM, SIG_IGN);
        (void)close(3);
        (void)!write(ready[1], "r", 1);
        (void)close(ready[0]);
        (void)close(ready[1]);
        do_for_ever();
    }
    (void)close(ready[1]);
    (void)!read(ready[0], &byte, 1);
    (void)close(ready[0]);
    (void)waitpid(child, NULL, 0);
}

static inline void do_daemons(const struct doing *d)
{
    for (long i = 0; i < d->number; i++)
        do_leave_stranger();
    do_answer(d, "left them");
}

static inline void do_daemon_and_stay(const struct doing *d)
{
    for (long i = 0; i < (d->number ? d->number : 1); i++)
        do_leave_stranger();
    do_note(d);
    do_for_ever();
}

static inline void do_fds(const struct doing *d)
{
    char text[512] = "";

    for (int fd = 0; fd < 256; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            snprintf(text + strlen(text), sizeof(text) - strlen(text), "%d ", fd);
    do_answer(d, text);
}

/* What can be read from every descriptor that was lent, up to its end. */
static inline void do_read_lent(const struct doing *d)
{
    char text[1024] = "";
    size_t at = 0;

    for (uint32_t i = 0; i < d->job->nfds; i++) {
        ssize_t n;
        while (at < sizeof(text) - 1 && (n = read(d->job->fds[i], text + at, sizeof(text) - 1 - at)) > 0)
            at += (size_t)n;
    }
    do_answer(d, text);
}

/* Reads its job's head, answers before it has read the rest, and is no good after that. */
static inline void do_half_result(const struct doing *d)
{
    struct reply_frame f = {.magic = REPLY_MAGIC, .type = PVS_REPLY_RESULT, .entry = 0, .length = 100};

    f.id_low = (uint32_t)d->job->id;
    (void)!write(3, &f, sizeof(f));
    do_sleep(d->number);
    _exit(0);
}

static const struct {
    const char *word;
    void (*run)(const struct doing *);
} deeds[] = {
    {"echo", do_echo},
    {"length", do_length},
    {"sleep", do_sleep_then_answer},
    {"pid", do_pid},
    {"raise", do_raise},
    {"exit", do_exit},
    {"signal", do_signal},
    {"big", do_big},
    {"notes", do_notes},
    {"!flood", do_flood_notes},
    {"!ignore", do_ignore_term},
    {"!wait", do_wait},
    {"!stop", do_stop},
    {"!close", do_close_pipe},
    {"!shut", do_shut_pipe},
    {"garbage", do_garbage},
    {"daemons", do_daemons},
    {"!daemon", do_daemon_and_stay},
    {"fds", do_fds},
    {"lent", do_read_lent},
    {"half", do_half_result},
};

static inline void rig_do(pvs_worker *worker, const struct pvs_job *job)
{
    char text[256] = "";
    size_t n = job->length < sizeof(text) ? job->length : sizeof(text) - 1;
    struct doing d = {worker, job, "", 0};

    memcpy(text, job->payload, n);
    char *space = strchr(text, ' ');
    if (space) {
        *space = 0;
        d.rest = space + 1;
        d.number = atol(d.rest);
    }
    for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++)
        if (strcmp(deeds[i].word, text) == 0) {
            deeds[i].run(&d);
            return;
        }
    _exit(95);
}

static volatile sig_atomic_t rig_termed;
static inline void rig_on_term(int sig)
{
    (void)sig;
    rig_termed = 1;
}

__attribute__((noreturn)) static inline void rig_worker(pvs_worker *worker)
{
    struct pvs_job job;
    int e;

    while ((e = pvs_worker_next(worker, &job)) != 0) {
        if (e == 1)
            rig_do(worker, &job);
        else if (e == -ECANCELED && pvs_worker_send(worker, PVS_REPLY_RAISED, "limits", 6) < 0)
            _exit(97);
        else if (e != -EINTR && e != -ECANCELED)
            _exit(94);
    }
    _exit(0);
}

#endif
