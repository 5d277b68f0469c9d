/* What a worker writes: every split, every truncation, every size up to the limit and one beyond, and random garbage. A result
 * is delivered byte for byte, or the task ends once with a reason.
 * links: all */
#include "fake.h"

static void open_one(struct fake *f)
{
    struct pvs_settings set = {.workers = 1, .max_workers = 1, .buffer_bytes = 4096, .capacity = 8};

    fake_open(f, &set);
    f->core->set.spares = 0;
}

static void until_ended(struct fake *f, uint32_t ended)
{
    for (int i = 0; f->ended < ended; i++) {
        CHECK(i < 200);
        fake_step(f);
    }
}

static void every_split_gives_the_same(void)
{
    struct fake f;
    char stream[512];

    open_one(&f);
    for (uint32_t note = 0; note <= 8; note += 4) {
        for (uint32_t body = 0; body <= 64; body += 13) {
            size_t length = 2 * sizeof(struct reply_frame) + note + body;
            for (size_t a = 1; a < length; a++) {
                for (size_t b = a; b < length; b += 3) {
                    uint32_t before = f.notes, ended = f.ended;
                    uint64_t id = fake_start(&f, PVS_POOL, 64);
                    size_t at = fake_frame(&f, stream, PVS_REPLY_PROGRESS, id, note);
                    at += fake_frame(&f, stream + at, PVS_REPLY_RESULT, id, body);
                    CHECK_EQ(at, length);
                    CHECK(fake_write(&f, stream, a));
                    fake_step(&f);
                    CHECK(b == a || fake_write(&f, stream + a, b - a));
                    fake_step(&f);
                    CHECK(fake_write(&f, stream + b, length - b));
                    until_ended(&f, ended + 1);
                    CHECK_EQ(f.end.id, id);
                    CHECK_EQ(f.end.outcome, PVS_SUCCEEDED);
                    CHECK_EQ(f.end.body_len, body);
                    CHECK_EQ(f.sum, fake_sum(body));
                    CHECK_EQ(f.notes, before + 1);
                }
            }
        }
    }
    CHECK_EQ(f.kills, 0);
    fake_close(&f);
}

static void every_truncation_has_one_end(void)
{
    struct fake f;
    char stream[512];

    open_one(&f);
    for (int status = 0; status <= SIGKILL; status += SIGKILL) {
        for (uint32_t body = 0; body <= 64; body++) {
            for (size_t cut = 0; cut <= sizeof(struct reply_frame) + body; cut++) {
                uint32_t ended = f.ended;
                uint64_t id = fake_start(&f, PVS_POOL, 64);
                size_t length = fake_frame(&f, stream, PVS_REPLY_RESULT, id, body);
                CHECK(cut == 0 || fake_write(&f, stream, cut));
                fake_die(&f, status);
                until_ended(&f, ended + 1);
                CHECK_EQ(f.end.outcome, cut == length ? PVS_SUCCEEDED : PVS_FAILED);
                if (cut < length)
                    CHECK_EQ(f.end.reason, status ? PVS_R_WORKER_DIED : PVS_R_NO_RESULT);
                for (int i = 0; i < 3; i++)
                    fake_step(&f);
                CHECK_EQ(f.ended, ended + 1);
            }
        }
    }
    fake_close(&f);
}

static void every_size_up_to_the_limit_and_no_more(void)
{
    static char stream[70000];
    const uint32_t limits[] = {1, 64, 4000, 4080, 4081, 5000, 65536};

    for (size_t k = 0; k < sizeof(limits) / sizeof(limits[0]); k++) {
        struct fake f;
        open_one(&f);
        uint32_t step = limits[k] > 100 ? 997 : 1;
        for (uint32_t body = 0, size = 0; size <= limits[k]; body += step) {
            uint32_t ended = f.ended;
            size = body <= limits[k] ? body : size < limits[k] ? limits[k] : limits[k] + 1;
            uint64_t id = fake_start(&f, PVS_POOL, limits[k]);
            size_t length = fake_frame(&f, stream, PVS_REPLY_RESULT, id, size);
            CHECK(fake_write(&f, stream, length));
            until_ended(&f, ended + 1);
            CHECK_EQ(f.end.reason, size > limits[k] ? PVS_R_RESULT_TOO_LARGE : 0);
            if (size <= limits[k])
                CHECK_EQ(f.sum, fake_sum(size));
        }
        CHECK_EQ(f.kills, 1);
        fake_close(&f);
    }
}

/* Frames with a byte changed, cut, doubled, or noise alone: the task ends once, and the next one is well. */
static void garbage_ends_one_task_and_harms_no_other(void)
{
    uint64_t random = 42;
    char stream[2048];
    struct fake f;

    open_one(&f);
    for (uint32_t round = 0; round < scaled(10000); round++) {
        uint32_t ended = f.ended;
        uint64_t id = fake_start(&f, draw(&random, 4) ? PVS_POOL : PVS_FORK, 200);
        size_t length = fake_frame(&f, stream, 1 + (int)draw(&random, 4), id, draw(&random, 220));
        length += fake_frame(&f, stream + length, 1 + (int)draw(&random, 2), id, draw(&random, 220));
        for (uint32_t i = 0; i < draw(&random, 4); i++)
            stream[draw(&random, draw(&random, 2) ? 16 : (uint32_t)length)] = (char)draw(&random, 256);
        if (draw(&random, 2))
            length = 1 + draw(&random, (uint32_t)length);
        (void)fake_write(&f, stream, length);
        fake_step(&f);
        fake_die(&f, 0);
        until_ended(&f, ended + 1);
        CHECK_EQ(f.end.id, id);
        CHECK_EQ(f.core->places, 0);
    }
    fake_close(&f);
}

/* A worker with a task in hand that answers for another, or twice, or for one that it was never given. */
static void answers_for_others_are_refused(void)
{
    struct fake f;
    char stream[256];

    open_one(&f);
    for (int wrong = 0; wrong < 4; wrong++) {
        uint32_t ended = f.ended;
        uint64_t id = fake_start(&f, PVS_POOL, 64);
        size_t length = fake_frame(&f, stream, PVS_REPLY_RESULT, wrong == 0 ? id + 1 : id, 3);
        if (wrong == 1)
            stream[3]++; /* the entry */
        if (wrong == 2)
            stream[2] = 9; /* the type */
        if (wrong == 3)
            length += fake_frame(&f, stream + length, PVS_REPLY_RESULT, id, 3); /* twice */
        CHECK(fake_write(&f, stream, length));
        until_ended(&f, ended + 1);
        CHECK_EQ(f.end.reason, wrong == 3 ? 0 : PVS_R_BAD_FRAME);
        for (int i = 0; i < 4; i++)
            fake_step(&f);
        CHECK_EQ(f.kills, wrong + 1);
        CHECK_EQ(f.ended, ended + 1);
    }
    fake_close(&f);
}

/* A worker that answers before its keeper has told of it: what it says waits, and its pid is known. */
static void who_is_quicker_than_its_keeper_is_heard_after_it(void)
{
    char stream[512];

    for (int kind = PVS_FORK; kind <= PVS_POOL; kind++) {
        struct fake f;
        open_one(&f);
        pvs_want_started(f.core, 1);
        f.slow = 1;
        uint64_t id = fake_start(&f, kind, 64);
        size_t length = fake_frame(&f, stream, PVS_REPLY_PROGRESS, id, 4);
        length += fake_frame(&f, stream + length, PVS_REPLY_RESULT, id, 5);
        CHECK(fake_write(&f, stream, length));
        for (int i = 0; i < 4; i++)
            fake_step(&f);
        CHECK_EQ(strcmp(f.story, ""), 0);
        fake_report(&f, REPORT_SPAWNED, 1234567, 0, 0);
        until_ended(&f, 1);
        CHECK_EQ(strcmp(f.story, "SNE"), 0);
        CHECK_EQ(f.end.outcome, PVS_SUCCEEDED);
        CHECK_EQ(f.end.pid, 1234567);
        CHECK_EQ(f.sum, fake_sum(5));
        fake_close(&f);
    }
}

/* No report comes any more: what it has said until then counts. */
static void an_answer_counts_though_its_keeper_died_before_it_told(void)
{
    char stream[512];
    struct fake f;

    open_one(&f);
    f.slow = 1;
    uint64_t id = fake_start(&f, PVS_FORK, 64);
    CHECK(fake_write(&f, stream, fake_frame(&f, stream, PVS_REPLY_RESULT, id, 5)));
    fake_step(&f);
    CHECK_EQ(f.ended, 0);
    CHECK_EQ(shutdown(f.keeper, SHUT_RDWR), 0);
    until_ended(&f, 1);
    CHECK_EQ(f.end.outcome, PVS_SUCCEEDED);
    fake_close(&f);
}

int main(void)
{
    RUN(every_split_gives_the_same);
    RUN(every_truncation_has_one_end);
    RUN(every_size_up_to_the_limit_and_no_more);
    RUN(garbage_ends_one_task_and_harms_no_other);
    RUN(answers_for_others_are_refused);
    RUN(who_is_quicker_than_its_keeper_is_heard_after_it);
    RUN(an_answer_counts_though_its_keeper_died_before_it_told);
    return 0;
}
