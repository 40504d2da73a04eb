/*
 * evaluate-by MODEL H W ANNOTATIONS IMAGES COMMAND [ARGUMENT ...]
 *
 * The AP of a network that another program runs, with our letterbox, decoder and scoring: COMMAND
 * gets a picture on its standard input and answers on its standard output. MODEL tells skeleton,
 * stride and normalisation. Numbers are the machine's own:
 *     int32 h, w; float picture[h][w][3], normalised, RGB
 *     int32 map h, map w, heat channels, PAF channels; float heat[h][w][c], paf[h][w][c]
 */
#include "base/error.h"
#include "eval/evaluate.h"
#include "nn/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct other {
    FILE *to, *from;
    float *maps;
};

static int run(void *ctx, const float *input, int h, int w, struct maps *out)
{
    struct other *o = ctx;
    const int32_t size[] = {h, w};
    const size_t n = (size_t)h * (size_t)w * 3;
    int32_t head[4];
    if (fwrite(size, sizeof size, 1, o->to) != 1 || fwrite(input, sizeof *input, n, o->to) != n ||
        fflush(o->to) != 0 || fread(head, sizeof head, 1, o->from) != 1)
        return error_set(BPNET_EIO, "the command does not answer");
    const size_t cells = (size_t)head[0] * (size_t)head[1];
    const size_t heat = cells * (size_t)head[2], paf = cells * (size_t)head[3];
    float *maps = realloc(o->maps, (heat + paf) * sizeof *maps);
    if (!maps)
        return error_set(BPNET_ENOMEM, "no memory for %zu values", heat + paf);
    o->maps = maps;
    if (fread(maps, sizeof *maps, heat + paf, o->from) != heat + paf)
        return error_set(BPNET_EIO, "the command's answer is cut off");
    *out = (struct maps){head[0], head[1], maps, head[2], head[2], maps + heat, head[3], head[3]};
    return BPNET_OK;
}

/* The command between two pipes. */
static int start(struct other *o, char *const *command, pid_t *child)
{
    int there[2], back[2];
    if (pipe(there) < 0 || pipe(back) < 0 || (*child = fork()) < 0)
        return error_set_errno(BPNET_EIO, "cannot start %s", command[0]);
    if (*child == 0) {
        dup2(there[0], STDIN_FILENO);
        dup2(back[1], STDOUT_FILENO);
        close(there[1]);
        close(back[0]);
        execvp(command[0], command);
        _exit(127);
    }
    close(there[0]);
    close(back[1]);
    o->to = fdopen(there[1], "wb");
    o->from = fdopen(back[0], "rb");
    return o->to && o->from ? BPNET_OK : error_set(BPNET_ENOMEM, "no memory for pipes");
}

static int evaluate(struct other *o, const struct model *m, char **argv, struct workers *workers)
{
    struct net net = {
        .run = run, .ctx = o, .stride = m->meta.stride, .skeleton = &m->meta.skeleton};
    struct predict_options how;
    struct evaluation e;
    memcpy(net.scale, m->meta.scale, sizeof net.scale);
    memcpy(net.offset, m->meta.offset, sizeof net.offset);
    predict_options_default(&how);
    how.input_h = (int)strtol(argv[2], NULL, 10);
    how.input_w = (int)strtol(argv[3], NULL, 10);
    how.aspect = ASPECT_PAD_IMAGE;
    how.cpu = cpu_level_detect();
    const struct evaluate_options options = {.annotations = argv[4], .images_root = argv[5]};
    const int err = evaluate_net(&e, &net, &how, workers, &options);
    if (err == 0)
        printf("pictures %zu, people %zu, AP %.4f, AP50 %.4f\n", e.n_images, e.n_people,
               e.coco.metric[0], e.coco.metric[1]);
    return err;
}

int main(int argc, char **argv)
{
    struct other o = {0};
    struct model *m = NULL;
    struct workers *workers = NULL;
    pid_t child = -1;
    int err;
    if (argc < 7) {
        fprintf(stderr, "usage: evaluate-by MODEL H W ANNOTATIONS IMAGES COMMAND [ARGUMENT ...]\n");
        return 64;
    }
    if ((err = model_load(&m, argv[1], NULL)) == 0 && (err = workers_open(&workers, 1)) == 0 &&
        (err = start(&o, argv + 6, &child)) == 0)
        err = evaluate(&o, m, argv, workers);
    if (err < 0)
        fprintf(stderr, "evaluate-by: %s\n", error_message());
    if (o.to)
        fclose(o.to);
    if (o.from)
        fclose(o.from);
    if (child > 0)
        waitpid(child, NULL, 0);
    workers_close(workers);
    model_free(m);
    free(o.maps);
    return error_exit_status(err);
}
