/* libFuzzer: the exec block, as the keeper reads it. What is accepted lies inside the block and is ended as execve wants it.
 * It is linked with the whole core, so its own copy of spawn.c goes by other names. */
#define spawn_worker block_spawn_worker
#define spawn_program block_spawn_program
#include "../../csrc/spawn.c"

#include <stdlib.h>

static void inside(const char *word, const char *block, size_t length)
{
    if (word < block || word >= block + length || !memchr(word, 0, (size_t)(block + length - word)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char *words[2u * MOST_WORDS + 4];
    struct program p = {0};
    char *block = malloc(size + 1);

    if (!block)
        return 0;
    memcpy(block, data, size);
    if (parse_block(block, size, words, &p) == 0) {
        for (char **w = p.argv; *w; w++)
            inside(*w, block, size);
        for (char **w = p.envp; *w; w++)
            inside(*w, block, size);
        if (p.cwd)
            inside(p.cwd, block, size);
        if (!p.argv[0])
            abort();
    }
    free(block);
    return 0;
}
