/*
 * A spec file as a tree in which every value knows where it was written, so that whoever finds a
 * value wrong can show the place: "file:line:column: message", the line, and a caret under it.
 *
 * YAML by the rules the original's reader follows (YAML 1.1 as PyYAML has it: yes/no/on/off,
 * 0x, 0b, leading-zero octal, 1_000), more generous with numbers only (1e-5 and 1e5 count). JSON is
 * read as YAML's flow style. Anchors, aliases, tags, several documents in a file and duplicate
 * keys are errors.
 */
#ifndef SPEC_DOC_H
#define SPEC_DOC_H

#include "base/str.h"
#include "spec/spec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DOC_MAX_SIZE = 16 << 20, /* bytes of a file */
    DOC_MAX_DEPTH = 40,      /* of a file, and of an override's value */
    DOC_MAX_PATH = 16,       /* names in an override's key */
    DOC_MAX_NODES = 100000,
    DOC_MAX_KEYS = 1024, /* of one mapping */
};

enum doc_kind { DOC_NULL, DOC_BOOL, DOC_INTEGER, DOC_REAL, DOC_TEXT, DOC_LIST, DOC_MAP };

struct doc_node {
    enum doc_kind kind;
    int line, column;         /* of the value, one-based */
    int key_line, key_column; /* of the key in front of it */
    int origin;               /* 0: the file; i: item i - 1 of the overrides */
    char *key;                /* NULL unless the parent is a mapping */
    char *text;               /* a scalar as written, quotes and escapes resolved; else NULL */
    bool truth;               /* DOC_BOOL */
    int64_t integer;          /* DOC_INTEGER */
    double real;              /* DOC_INTEGER and DOC_REAL */
    size_t n;                 /* children of a list or mapping */
    struct doc_node *first, *last, *next, *parent;
    struct doc_node *older; /* all nodes of a document, for freeing */
};

struct doc {
    char *path; /* for messages */
    char *text; /* the file's content, for showing lines */
    size_t size;
    struct spec_overrides overrides; /* borrowed: must outlive the document */
    struct doc_node *root;           /* never NULL after a successful load */
    struct doc_node *newest;
    size_t n_nodes;
};

/*
 * Read a file and apply the overrides ("a.b=value": mappings that are missing on the way are
 * created). BPNET_ENOENT, BPNET_ELIMIT, or BPNET_ECONFIG when it is not YAML. `overrides` may be
 * NULL. A zeroed document may be freed; a failed load leaves one.
 */
int doc_load(struct doc *doc, const char *path, const struct spec_overrides *overrides);
/* The same from memory; `name` stands for the file in messages. */
int doc_parse(struct doc *doc, const char *text, size_t size, const char *name,
              const struct spec_overrides *overrides);
void doc_free(struct doc *doc);

/* A member of a mapping, or NULL (also when `map` is NULL or no mapping). */
const struct doc_node *doc_get(const struct doc_node *map, const char *key);
/* The node at "a.b.c" from the root, or NULL. */
const struct doc_node *doc_find(const struct doc *doc, const char *path);

/*
 * Set the error "<file>:<line>:<column>: <message>" followed by the line and a caret line, or
 * "--set <item>: <message>" for what came from an override; without a node only the file is named.
 * Returns `code`. The place is the value, or with doc_error_key the key in front of it.
 */
int doc_error(const struct doc *doc, const struct doc_node *node, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
int doc_error_key(const struct doc *doc, const struct doc_node *node, int code, const char *format,
                  ...) __attribute__((format(printf, 4, 5)));
/* log_warning with the same place in front, without showing the line. */
void doc_warning(const struct doc *doc, const struct doc_node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "a string 'abc'", "an integer 5", "null", "a list of 3", "a mapping"; cut where too long. */
const char *doc_describe(const struct doc_node *node, char *buffer, size_t size);
enum { DOC_DESCRIPTION = 80 };

/* "model.stage1_kernel_sizes[2]": where a node stands; "" for the root. */
const char *doc_place(const struct doc_node *node, char *buffer, size_t size);
enum { DOC_PLACE = 256 };

/* The subtree as one line of JSON. */
void doc_print_json(struct str *out, const struct doc_node *node);

/* ---- for yaml.c and scalar.c ------------------------------------------------------------- */

/* A fresh node at the end of `parent` (NULL: a loose one); NULL with the error set. */
struct doc_node *doc_add(struct doc *doc, struct doc_node *parent);

/* Decide what a plain scalar is: sets kind and value from node->text. */
void scalar_resolve(struct doc_node *node);

/* An error at a place without a node. */
int doc_error_at(const struct doc *doc, int origin, int line, int column, int code,
                 const char *message);

#endif
