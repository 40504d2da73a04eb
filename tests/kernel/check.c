/*
 * kernel-check: every kernel of every level against double precision, on random shapes; and their
 * speed beside the machine's.
 *
 *     kernel-check [--level NAME] [--family NAME] [--kernel NAME] [--seed N] [--case N] [--list]
 *                  [--bench]
 *
 * Without --level the best level of this machine is checked; --kernel picks one of conv_kernels[].
 * Exit status: 0 all good, 1 failures, 64 wrong usage, 77 the machine does not have the level or
 * what the kernel needs.
 */
#include "check.h"

#include "base/clock.h"
#include "base/error.h"

#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_BAD_USAGE = 64, EXIT_SKIP = 77, CANARY = 0x7fc5a5a5 /* a NaN */ };

/* Mapped pages of one map: guard, canaries, data, (canaries,) guard. */
struct buffer {
    struct buffer *next;
    unsigned char *pages;
    size_t page, n_pages; /* with the guards */
    unsigned char *begin, *end;
    unsigned char *data;
    size_t n_pixels, channels, pitch; /* in bytes */
};

static const struct family *const families[] = {
    &family_conv, &family_mixed, &family_depthwise, &family_pixel, &family_pool,
    &family_step, &family_q8,    &family_float,     &family_whole, &family_maps};
enum { N_FAMILIES = sizeof(families) / sizeof(families[0]) };

static struct check *running; /* for the signal handler alone */

static void on_fault(int number)
{
    (void)number;
    char line[512];
    const int n = snprintf(
        line, sizeof(line),
        "FAIL %s --seed %llu --case %d: touched memory outside its extents (%s)\n", running->family,
        (unsigned long long)running->seed, running->number, running->shape);
    if (write(STDOUT_FILENO, line, (size_t)n) < 0)
        _exit(2);
    _exit(1);
}

void check_fail(struct check *c, const char *format, ...)
{
    enum { ENOUGH = 5 };
    if (c->failures++ >= ENOUGH)
        return;
    printf("FAIL %s --seed %llu --case %d: ", c->family, (unsigned long long)c->seed, c->number);
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf(" (%s)\n", c->shape);
}

void check_close(struct check *c, const char *what, size_t at, double value, double expected,
                 double bound)
{
    const bool same = value <= expected && value >= expected;
    if (same || (isnan(value) && isnan(expected)))
        return;
    const double error = fabs(value - expected) / bound;
    if (error > c->worst)
        c->worst = error;
    if (!(error <= 1.0))
        check_fail(c, "%s[%zu] is %.9g, expected %.9g +- %.3g", what, at, value, expected, bound);
}

static void out_of_memory(void)
{
    fprintf(stderr, "kernel-check: no memory\n");
    exit(2);
}

/* `behind` bytes follow the data; with `aligned` the data begins at a multiple of 64. */
static void *buffer_new(struct check *c, size_t n_pixels, size_t channels, size_t pitch,
                        size_t behind, bool aligned)
{
    struct buffer *b = calloc(1, sizeof(*b));
    if (!b)
        out_of_memory();
    const size_t n = (n_pixels ? (n_pixels - 1) * pitch + channels : 0) + behind;
    const size_t room = aligned ? (n + 63) / 64 * 64 : n;
    b->page = (size_t)sysconf(_SC_PAGESIZE);
    b->n_pages = (room + b->page - 1) / b->page + 3;
    b->pages = mmap(NULL, b->n_pages * b->page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                    -1, 0);
    if (b->pages == MAP_FAILED)
        out_of_memory();
    b->begin = b->pages + b->page;
    b->end = b->pages + (b->n_pages - 1) * b->page;
    const uint32_t canary = CANARY;
    for (unsigned char *word = b->begin; word < b->end; word += sizeof(canary))
        memcpy(word, &canary, sizeof(canary));
    mprotect(b->pages, b->page, PROT_NONE);
    mprotect(b->end, b->page, PROT_NONE);
    b->data = b->end - room;
    b->n_pixels = n_pixels;
    b->channels = channels;
    b->pitch = pitch;
    b->next = c->buffers;
    c->buffers = b;
    return b->data;
}

struct map map_new(struct check *c, size_t n_pixels, int channels, int pitch)
{
    float *data = buffer_new(c, n_pixels, (size_t)channels * sizeof(float),
                             (size_t)pitch * sizeof(float), 0, false);
    return (struct map){data, n_pixels, channels, pitch};
}

void *pixels_new(struct check *c, size_t n_pixels, size_t channels, size_t pitch, size_t behind)
{
    return buffer_new(c, n_pixels, channels, pitch, behind, false);
}

void *bytes_new(struct check *c, size_t n)
{
    return buffer_new(c, n, 1, 1, 0, true);
}

float *map_pixel(const struct map *map, size_t pixel)
{
    return map->data + pixel * (size_t)map->pitch;
}

struct map map_random(struct check *c, size_t n_pixels, int channels, int pitch)
{
    const struct map map = map_new(c, n_pixels, channels, pitch);
    for (size_t p = 0; p < n_pixels; p++)
        for (int k = 0; k < channels; k++)
            map_pixel(&map, p)[k] = draw_value(c);
    return map;
}

struct map map_copy(struct check *c, const struct map *from)
{
    const struct map map = map_new(c, from->n_pixels, from->channels, from->pitch);
    for (size_t p = 0; p < map.n_pixels; p++)
        memcpy(map_pixel(&map, p), map_pixel(from, p), (size_t)map.channels * sizeof(float));
    return map;
}

void freeze(struct check *c, const void *data)
{
    for (struct buffer *b = c->buffers; b; b = b->next)
        if (b->data == data)
            mprotect(b->begin, (b->n_pages - 2) * b->page, PROT_READ);
}

void map_freeze(struct check *c, const struct map *map)
{
    freeze(c, map->data);
}

bool map_same_bits(const struct map *a, const struct map *b)
{
    for (size_t p = 0; p < a->n_pixels; p++)
        if (memcmp(map_pixel(a, p), map_pixel(b, p), (size_t)a->channels * sizeof(float)) != 0)
            return false;
    return true;
}

float *floats_new(struct check *c, size_t n, bool aligned)
{
    return buffer_new(c, n, sizeof(float), sizeof(float), 0, aligned);
}

float *floats_random(struct check *c, size_t n)
{
    return map_random(c, n, 1, 1).data;
}

static bool canaries(const struct buffer *b, const unsigned char *from, const unsigned char *to)
{
    static const uint32_t canary = CANARY;
    for (const unsigned char *byte = from; byte < to; byte++)
        if (*byte != ((const unsigned char *)&canary)[(size_t)(byte - b->begin) % sizeof(canary)])
            return false;
    return true;
}

/* Everything in a buffer that belongs to no pixel still has to be canary. */
static bool buffer_intact(const struct buffer *b)
{
    const unsigned char *rest = b->begin;
    for (size_t i = 0; i < b->n_pixels; i++) {
        const unsigned char *pixel = b->data + i * b->pitch;
        if (!canaries(b, rest, pixel))
            return false;
        rest = pixel + b->channels;
    }
    return canaries(b, rest, b->end);
}

static void buffers_end(struct check *c)
{
    while (c->buffers) {
        struct buffer *b = c->buffers;
        c->buffers = b->next;
        if (!buffer_intact(b))
            check_fail(c,
                       "wrote between or around the pixels of a map of %zu x %zu bytes, pitch %zu",
                       b->n_pixels, b->channels, b->pitch);
        munmap(b->pages, b->n_pages * b->page);
        free(b);
    }
}

int draw(struct check *c, int low, int high)
{
    return (int)rng_integer(&c->rng, low, high);
}

int draw_of(struct check *c, const int *list, size_t n)
{
    return list[draw(c, 0, (int)n - 1)];
}

bool draw_bool(struct check *c)
{
    return draw(c, 0, 1) != 0;
}

int draw_pitch(struct check *c, int channels)
{
    return draw_bool(c) ? channels : channels + draw(c, 1, 40);
}

float draw_value(struct check *c)
{
    return draw(c, 0, 15) == 0 ? 0.0F : (float)rng_normal(&c->rng);
}

int draw_piece(struct check *c, int left)
{
    return left > 0 ? draw(c, 1, left) : 0;
}

/* Time this thread has had a core: what others do meanwhile costs it little. */
static double thread_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double bench_time(void (*fn)(void *ctx), void *ctx)
{
    double best = INFINITY;
    const double start = thread_seconds();
    for (int i = 0; i < 5 || thread_seconds() - start < 0.15; i++) {
        const double from = thread_seconds();
        fn(ctx);
        best = fmin(best, thread_seconds() - from);
    }
    return best;
}

struct options {
    enum cpu_level level;
    const char *family;
    const char *kernel;
    uint64_t seed;
    int only;
    bool list, bench;
};

static int run_family(const struct family *family, const struct kernels *kernels,
                      const struct options *o)
{
    int failed = 0;
    struct check c = {
        .kernels = kernels,
        .level = o->level,
        .kernel = o->kernel,
        .family = family->name,
        .seed = o->seed,
    };
    running = &c;
    const int64_t start = clock_ns();
    for (c.number = 0; c.number < family->cases; c.number++) {
        if (o->only >= 0 && c.number != o->only)
            continue;
        c.rng = rng_stream(o->seed, (uint64_t)family->name[0] << 8 | (uint64_t)family->name[1],
                           (uint64_t)c.number);
        c.failures = 0;
        c.shape[0] = '\0';
        family->check(&c);
        buffers_end(&c);
        failed += c.failures > 0;
    }
    printf("%-8s %-10s %4d cases, %d failed, largest error %.3f of the bound (%s), %.1f s\n",
           family->name, cpu_level_name(o->level), family->cases, failed, c.worst, family->bound,
           clock_seconds_since(start));
    if (o->kernel && !c.met) {
        printf("no case fits %s on this machine\n", o->kernel);
        exit(EXIT_SKIP);
    }
    return failed;
}

/* 0, or the exit status. */
static int options_parse(struct options *o, int argc, char **argv)
{
    *o = (struct options){.level = cpu_level_detect(), .seed = 1, .only = -1};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--list") == 0) {
            o->list = true;
        } else if (strcmp(argv[i], "--bench") == 0) {
            o->bench = true;
        } else if (strcmp(argv[i], "--level") == 0 && value) {
            const int err = cpu_level_parse(&o->level, value);
            if (err < 0) {
                printf("%s\n", error_message());
                return err == BPNET_EUNSUPPORTED ? EXIT_SKIP : EXIT_BAD_USAGE;
            }
            i++;
        } else if (strcmp(argv[i], "--family") == 0 && value) {
            o->family = argv[++i];
        } else if (strcmp(argv[i], "--kernel") == 0 && value) {
            o->kernel = argv[++i];
        } else if (strcmp(argv[i], "--seed") == 0 && value) {
            o->seed = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--case") == 0 && value) {
            o->only = (int)strtol(argv[++i], NULL, 10);
        } else {
            fprintf(stderr, "usage: kernel-check [--level NAME] [--family NAME] [--seed N] "
                            "[--kernel NAME] [--case N] [--list] [--bench]\n");
            return EXIT_BAD_USAGE;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct options o;
    const int status = options_parse(&o, argc, argv);
    if (status != 0)
        return status;
    struct kernels kernels;
    kernels_init(&kernels, o.level);
    signal(SIGSEGV, on_fault);
    signal(SIGBUS, on_fault);
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct bench bench = {.kernels = &kernels, .level = o.level, .kernel = o.kernel};
    if (o.bench) {
        bench.ceiling = ceiling_measure(o.level);
        printf("level %s, ceiling %.1f GMAC/s of one core\n", cpu_level_name(o.level),
               bench.ceiling * 1e-9);
    }
    int failed = 0;
    int matched = 0;
    for (int i = 0; i < N_FAMILIES; i++) {
        if (o.family && strcmp(o.family, families[i]->name) != 0)
            continue;
        matched++;
        if (!o.family && !o.list && o.level > families[i]->highest)
            continue; /* these were checked at a lower level */
        if (o.list)
            printf("%-8s %4d cases, bound: %s\n", families[i]->name, families[i]->cases,
                   families[i]->bound);
        else if (o.bench)
            families[i]->bench(&bench);
        else
            failed += run_family(families[i], &kernels, &o);
    }
    if (matched == 0) {
        fprintf(stderr, "kernel-check: no family '%s'; --list names them\n", o.family);
        return EXIT_BAD_USAGE;
    }
    return failed > 0;
}
