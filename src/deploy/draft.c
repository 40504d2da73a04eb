/* Compiled and opened in one go. */
#include "deploy/draft.h"

#include "deploy/compile.h"
#include "engine/engine.h"

#include <stdlib.h>

int draft_open(struct draft *out, const struct network *net, enum cpu_level level,
               struct workers *workers)
{
    const struct compile_options how = {
        .level = level, .workers = workers, .no_timing = true, .precision = "draft"};
    size_t size;
    *out = (struct draft){0};
    int err = compile_to_memory(&out->bytes, &size, net, &how);
    if (err == 0)
        err = engine_open_memory(&out->engine, out->bytes, size, "draft", level);
    if (err < 0)
        draft_close(out);
    return err;
}

void draft_close(struct draft *d)
{
    engine_close(d->engine);
    free(d->bytes);
    *d = (struct draft){0};
}
