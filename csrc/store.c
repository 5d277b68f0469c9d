/* store.c - stores that are sized once: payload blocks, interned specs, lent descriptors. */
#include "channel.h"
#include "core.h"

#include <string.h>
#include <sys.h>

/* Zero pages: what is never used costs no memory. */
static void *map(size_t bytes)
{
    void *p = sys_mmap(bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
    return p == MAP_FAILED ? NULL : p;
}

static void unmap(void *p, size_t bytes)
{
    if (p)
        (void)munmap(p, bytes);
}

int store_init(struct store *s, uint32_t capacity, uint64_t payload_bytes)
{
    uint64_t blocks = payload_bytes / BLOCK_DATA + 1;

    memset(s, 0, sizeof(*s));
    if (blocks >= PVS_NONE || blocks > SIZE_MAX / sizeof(struct block)) /* 32 bits: more than can be mapped */
        return -EINVAL;
    s->block_count = s->blocks_left = (uint32_t)blocks;
    s->spec_count = s->fds_count = capacity;
    s->hash_mask = 1023;
    s->blocks = map((size_t)blocks * sizeof(struct block));
    s->specs = map((size_t)capacity * sizeof(struct spec_slot));
    s->spec_hash = map((s->hash_mask + 1) * sizeof(uint32_t));
    s->fds = map((size_t)capacity * sizeof(*s->fds));
    s->block_free = s->spec_free = s->fds_free = s->spec_last = PVS_NONE;
    if (!s->blocks || !s->specs || !s->spec_hash || !s->fds) {
        store_free(s);
        return -ENOMEM;
    }
    memset(s->spec_hash, 0xff, (s->hash_mask + 1) * sizeof(uint32_t));
    return 0;
}

void store_free(struct store *s)
{
    unmap(s->blocks, (size_t)s->block_count * sizeof(struct block));
    unmap(s->specs, (size_t)s->spec_count * sizeof(struct spec_slot));
    unmap(s->spec_hash, (s->hash_mask + 1) * sizeof(uint32_t));
    unmap(s->fds, (size_t)s->fds_count * sizeof(*s->fds));
    memset(s, 0, sizeof(*s));
}

/* ---- payloads ----------------------------------------------------------------------------------- */

static uint32_t blocks_for(size_t length)
{
    return (uint32_t)((length + BLOCK_DATA - 1) / BLOCK_DATA);
}

static uint32_t take_block(struct store *s)
{
    uint32_t b = s->block_free;

    if (b != PVS_NONE)
        s->block_free = s->blocks[b].next;
    else
        b = s->block_bump++;
    s->blocks_left--;
    return b;
}

int store_payload(struct store *s, const char *data, size_t length, uint32_t *first)
{
    uint32_t last = PVS_NONE;

    *first = PVS_NONE;
    if (length > (size_t)s->block_count * BLOCK_DATA || length > INT32_MAX)
        return -EFBIG;
    if (blocks_for(length) > s->blocks_left)
        return -ENOBUFS;
    while (length) {
        size_t n = length < BLOCK_DATA ? length : BLOCK_DATA;
        uint32_t b = take_block(s);
        memcpy(s->blocks[b].data, data, n);
        s->blocks[b].next = PVS_NONE;
        if (last == PVS_NONE)
            *first = b;
        else
            s->blocks[last].next = b;
        last = b;
        data += n;
        length -= n;
    }
    return 0;
}

void store_payload_drop(struct store *s, uint32_t first, size_t length)
{
    (void)length;
    while (first != PVS_NONE) {
        uint32_t next = s->blocks[first].next;
        s->blocks[first].next = s->block_free;
        s->block_free = first;
        s->blocks_left++;
        first = next;
    }
}

void store_payload_read(const struct store *s, uint32_t first, size_t offset, char *out, size_t length)
{
    for (; offset >= BLOCK_DATA; offset -= BLOCK_DATA)
        first = s->blocks[first].next;
    while (length) {
        size_t n = BLOCK_DATA - offset;
        if (n > length)
            n = length;
        memcpy(out, s->blocks[first].data + offset, n);
        out += n;
        length -= n;
        offset = 0;
        first = s->blocks[first].next;
    }
}

/* ---- specs -------------------------------------------------------------------------------------- */

static uint32_t hash_spec(const struct pvs_spec *spec)
{
    const unsigned char *p = (const unsigned char *)spec;
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < sizeof(*spec); i++)
        h = (h ^ p[i]) * 16777619u;
    return h;
}

static int same_spec(const struct store *s, uint32_t i, const struct pvs_spec *spec)
{
    return i != PVS_NONE && s->specs[i].users && memcmp(&s->specs[i].spec, spec, sizeof(*spec)) == 0;
}

int store_spec(struct store *s, const struct pvs_spec *spec, uint32_t *index)
{
    uint32_t i = s->spec_last; /* the same as last time, most of the time */

    if (!same_spec(s, i, spec)) {
        uint32_t h = hash_spec(spec), *bucket = &s->spec_hash[h & s->hash_mask];
        i = *bucket;
        while (i != PVS_NONE && !same_spec(s, i, spec))
            i = s->specs[i].next;
        if (i == PVS_NONE) {
            i = s->spec_free;
            if (i != PVS_NONE)
                s->spec_free = s->specs[i].next;
            else if (s->spec_bump < s->spec_count)
                i = s->spec_bump++;
            else
                return -ENOBUFS;
            s->specs[i] = (struct spec_slot){*spec, 0, h, *bucket};
            *bucket = i;
        }
    }
    s->specs[i].users++;
    s->spec_last = *index = i;
    return 0;
}

void store_spec_drop(struct store *s, uint32_t index)
{
    struct spec_slot *slot = &s->specs[index];

    if (--slot->users)
        return;
    uint32_t *at = &s->spec_hash[slot->hash & s->hash_mask];
    while (*at != index)
        at = &s->specs[*at].next;
    *at = slot->next;
    slot->next = s->spec_free;
    s->spec_free = index;
    if (s->spec_last == index)
        s->spec_last = PVS_NONE;
}

/* ---- lent descriptors --------------------------------------------------------------------------- */

int store_fds(struct store *s, const int *fds, uint32_t nfds, uint32_t *index)
{
    int mine[PVS_MAX_FDS];

    *index = PVS_NONE;
    if (nfds == 0)
        return 0;
    if (nfds > PVS_MAX_FDS)
        return -EINVAL;
    for (uint32_t i = 0; i < nfds; i++) {
        mine[i] = sys_dup_cloexec(fds[i], 3);
        if (mine[i] < 0) {
            int e = -errno;
            channel_close_all(mine, i);
            return e;
        }
    }
    uint32_t at = s->fds_free;
    if (at != PVS_NONE)
        s->fds_free = (uint32_t)s->fds[at][0];
    else
        at = s->fds_bump++; /* as many as tasks: there is always one */
    s->fds[at][0] = (int)nfds;
    memcpy(s->fds[at] + 1, mine, sizeof(int) * nfds);
    *index = at;
    return 0;
}

void store_fds_drop(struct store *s, uint32_t index)
{
    if (index == PVS_NONE)
        return;
    channel_close_all(s->fds[index] + 1, (uint32_t)s->fds[index][0]);
    s->fds[index][0] = (int)s->fds_free;
    s->fds_free = index;
}
