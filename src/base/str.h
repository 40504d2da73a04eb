/* A growable string. Zero-initialise, append, str_free. Out of memory is remembered, not lost. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>

struct str {
    char *text; /* NUL-terminated once anything was appended; NULL before */
    size_t length;
    size_t capacity;
    bool failed; /* an append ran out of memory: check once, at the end, with str_status() */
};

void str_append(struct str *s, const char *text);
void str_append_bytes(struct str *s, const char *bytes, size_t n);
void str_printf(struct str *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void str_clear(struct str *s);
void str_free(struct str *s);
const char *str_text(const struct str *s); /* never NULL */
int str_status(const struct str *s);       /* BPNET_OK or BPNET_ENOMEM */

/* A fresh copy; NULL when memory ran out (with the error set). */
char *str_copy(const char *text);

/* `folder`/`name`, or `name` alone when it is absolute or the folder is empty; fresh, or NULL. */
char *path_join(const char *folder, const char *name);

/* The part after the last '/'; within `path`. */
const char *path_base(const char *path);

/* The folder of a path ("." when it has none); fresh, or NULL. */
char *path_folder(const char *path);

/* "an" before a, e, i, o and u, "a" before anything else: for messages. */
const char *str_article(const char *noun);

/* Levenshtein distance, case-insensitive; for "did you mean". */
size_t str_distance(const char *a, const char *b);

/*
 * The candidate nearest to `word`, or NULL when none is near enough to suggest (more than a third
 * of the word would change).
 */
const char *str_nearest(const char *word, const char *const *candidates, size_t n);

#endif
