/*
 * bpnet: body-pose networks on ordinary CPUs. The public header.
 *
 * Conventions: a function that can fail returns BPNET_OK or a negative BPNET_E code, and then
 * bpnet_last_error() tells the story in one sentence. Out parameters come first.
 */
#ifndef BPNET_H
#define BPNET_H

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
    BPNET_EKEY = -12         /* the file is sealed, and its key is missing or another one */
} bpnet_status;

/* The library's version, "major.minor.patch"; compare it with BPNET_VERSION. */
BPNET_API const char *bpnet_version(void);

/*
 * The sentence behind this thread's most recent failure; "" when there was none. Valid until the
 * next failure in the same thread.
 */
BPNET_API const char *bpnet_last_error(void);

#ifdef __cplusplus
}
#endif
#endif
