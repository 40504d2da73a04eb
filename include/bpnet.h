/*
 * bpnet: people in pictures, on ordinary CPUs. The public header of libbpnet.
 *
 *     bpnet *net;
 *     const bpnet_people *people;
 *     if (bpnet_open(&net, "pose.engine", NULL) == BPNET_OK &&
 *         bpnet_run(net, &image, &people) == BPNET_OK)
 *         … people->persons[0].joints[0].x …
 *     bpnet_close(net);
 *
 * Engines are made by `bpnet export --engine_file`.
 *
 * Conventions: a function that can fail returns BPNET_OK or a negative BPNET_E code, and then
 * bpnet_last_error() tells the story in one sentence. Out parameters come first; a failing
 * function leaves NULL there. All zero means the default in an options struct, and a NULL pointer
 * means all zero.
 *
 * Threads: a handle is used by one thread at a time; different handles are independent. To run one
 * engine on several threads, give each a handle of its own with bpnet_open_another(): the weights
 * are shared. A handle has a team of threads for one picture, too (bpnet_options.threads).
 */
#ifndef BPNET_H
#define BPNET_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BPNET_VERSION_MAJOR 0
#define BPNET_VERSION_MINOR 1
#define BPNET_VERSION_PATCH 0
#define BPNET_VERSION       "0.1.0"

#if defined(__GNUC__)
#define BPNET_API __attribute__((visibility("default")))
#else
#define BPNET_API
#endif

/* Every function that can fail returns one of these. */
typedef enum bpnet_status {
    BPNET_OK = 0,
    BPNET_EUSAGE = -1,       /* the caller asked for something that makes no sense */
    BPNET_EFORMAT = -2,      /* a file's content is damaged or not what it should be */
    BPNET_ENOENT = -3,       /* an input file or folder does not exist or cannot be opened */
    BPNET_EIO = -4,          /* reading or writing failed half-way (disk full, device error) */
    BPNET_ECREATE = -5,      /* an output cannot be created */
    BPNET_ENOMEM = -6,       /* memory, threads or another resource ran out */
    BPNET_ELIMIT = -7,       /* the input is larger than the stated limit */
    BPNET_EUNSUPPORTED = -8, /* valid, but this build or this machine cannot do it */
    BPNET_ECONFIG = -9,      /* a spec file or a setting is wrong */
    BPNET_ENUMERIC = -10,    /* the arithmetic diverged (NaN or infinite loss) */
    BPNET_ESTOPPED = -11,    /* stopped on request; what was done so far is saved */
    BPNET_EKEY = -12,        /* the file is sealed, and its key is missing or another one */
    BPNET_EGOAL = -13        /* a goal that the caller set cannot be reached */
} bpnet_status;

/* The library's version, "major.minor.patch"; compare it with BPNET_VERSION. */
BPNET_API const char *bpnet_version(void);

/*
 * The sentence behind this thread's most recent failure; "" when there was none. Valid until the
 * next failure in the same thread.
 */
BPNET_API const char *bpnet_last_error(void);

/* ---- engines ------------------------------------------------------------------------------ */

/* An engine ready to run: weights, memory for the maps, threads. */
typedef struct bpnet bpnet;

typedef struct bpnet_options {
    unsigned threads;       /* for one picture; 0: one per core this process may use */
    const char *cpu;        /* highest instruction set, "ref", "avx2", …; NULL: the best found */
    float joint_threshold;  /* least heatmap value of a joint; 0: the engine's own */
    float limb_threshold;   /* least mean of a limb's field; 0: the engine's own */
    float person_threshold; /* people who score less are left out; 0: none */
    unsigned min_joints;    /* people with fewer are left out; 0: 4 */
    int flip_test;          /* not 0: average with the mirror image; twice the time */
} bpnet_options;

/*
 * Open an engine file, check all of it, and take all memory that running it needs. On success
 * *out belongs to the caller, who ends it with bpnet_close().
 * BPNET_ENOENT, BPNET_EFORMAT (damaged, not an engine), BPNET_EUNSUPPORTED (made for instructions
 * that this CPU does not have, or sealed), BPNET_ENOMEM, BPNET_EUSAGE (options).
 */
BPNET_API int bpnet_open(bpnet **out, const char *path, const bpnet_options *options);

/* The same from bytes in memory, aligned to 64, which must stay until the last handle is closed. */
BPNET_API int bpnet_open_memory(bpnet **out, const void *bytes, size_t size,
                                const bpnet_options *options);

/* Another handle of the same engine, for another thread. May be called while `net` is in use;
 * handles may be closed in any order. */
BPNET_API int bpnet_open_another(bpnet **out, bpnet *net, const bpnet_options *options);

BPNET_API void bpnet_close(bpnet *net); /* NULL is allowed */

typedef struct bpnet_info {
    int input_width, input_height; /* pixels; pictures of any size are letterboxed to it */
    const char *precision;         /* "fp32", "bf16", "int8" */
    const char *description;
    int n_joints;
    const char *const *joint_names; /* n_joints */
    int n_limbs;
    const int (*limbs)[2]; /* n_limbs pairs of joints, for drawing */
    size_t memory;         /* bytes of weights and maps of this handle */
} bpnet_info;

/* What the engine is; valid until the handle is closed. */
BPNET_API const bpnet_info *bpnet_get_info(const bpnet *net);

/* ---- pictures ----------------------------------------------------------------------------- */

typedef enum bpnet_format {
    BPNET_RGB, /* three bytes a pixel */
    BPNET_BGR,
    BPNET_RGBA, /* four; the fourth is ignored */
    BPNET_BGRA,
    BPNET_GREY /* one */
} bpnet_format;

/* A picture that belongs to the caller: 8 bits a channel, sRGB as files have it. */
typedef struct bpnet_image {
    const uint8_t *pixels; /* of the top row */
    int width, height;     /* 1 to 32768 each, at most 200 million pixels */
    ptrdiff_t stride;      /* bytes from a row to the next, may be negative; 0: no gaps */
    bpnet_format format;
} bpnet_image;

/*
 * Decode a JPEG (turned as its EXIF data says) or PNG file to RGB. Free with bpnet_image_free().
 * BPNET_EUNSUPPORTED in a library that was built without image decoding.
 */
BPNET_API int bpnet_image_load(bpnet_image *out, const char *path);
BPNET_API void bpnet_image_free(bpnet_image *image); /* a zeroed one is allowed */

/* ---- people ------------------------------------------------------------------------------- */

typedef struct bpnet_joint {
    float x, y;  /* pixels of the picture, (0, 0) the centre of the top left one; may lie outside */
    float score; /* 0: not found; else the heatmap's value, about 0.1 to 1 */
} bpnet_joint;

typedef struct bpnet_person {
    float score;               /* higher is better */
    const bpnet_joint *joints; /* bpnet_info.n_joints, in the order of joint_names */
} bpnet_person;

typedef struct bpnet_people {
    int n_persons;
    const bpnet_person *persons;
} bpnet_people;

/*
 * Find the people in a picture. *people belongs to the handle and stays valid until its next run.
 * Nothing is allocated once pictures of this size and numbers of people have been seen.
 * BPNET_EUSAGE (an impossible picture), BPNET_ENOMEM.
 */
BPNET_API int bpnet_run(bpnet *net, const bpnet_image *image, const bpnet_people **people);

/*
 * The same for a JPEG or PNG, in a file or in memory: decoded, turned as bpnet_image_load() does,
 * and looked at; joints are in the whole picture's pixels. A JPEG that is much larger than the
 * network's input is decoded at a half, a quarter or an eighth of its size, which is faster than
 * loading and running. Decoding allocates. BPNET_EFORMAT (damaged), BPNET_ENOENT, BPNET_ELIMIT,
 * BPNET_EUNSUPPORTED in a library that was built without image decoding.
 */
BPNET_API int bpnet_run_file(bpnet *net, const char *path, const bpnet_people **people);
BPNET_API int bpnet_run_encoded(bpnet *net, const void *bytes, size_t size,
                                const bpnet_people **people);

/* Where the time of the last run went, in nanoseconds. */
typedef struct bpnet_times {
    int64_t preprocess, network, decode;
} bpnet_times;
BPNET_API void bpnet_get_times(const bpnet *net, bpnet_times *times);

#ifdef __cplusplus
}
#endif
#endif
