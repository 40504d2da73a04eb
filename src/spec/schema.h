/*
 * What may stand in a spec file, as tables of fields. Reading with defaults and checks, freeing,
 * writing the resolved file and the printed reference all follow from the same rows.
 *
 * A mapping with several constructors ("__class_name__") is one table, whose first row is that key;
 * rows say for which classes they are meant. Rows may repeat a key for different classes.
 */
#ifndef SPEC_SCHEMA_H
#define SPEC_SCHEMA_H

#include "base/str.h"
#include "spec/doc.h"

#include <stdbool.h>
#include <stddef.h>

enum field_type {
    FIELD_BOOL,     /* bool */
    FIELD_INT,      /* int */
    FIELD_INT64,    /* int64_t */
    FIELD_DOUBLE,   /* double */
    FIELD_FLOAT,    /* float */
    FIELD_TEXT,     /* char *, owned; NULL for null */
    FIELD_CHOICE,   /* an enum */
    FIELD_INTS,     /* int[count] */
    FIELD_FLOATS,   /* float[count]; a plain number for count 1 */
    FIELD_INT_LIST, /* int[up to count], their number an int at `length` */
    FIELD_FLOAT_LIST,
    FIELD_TEXT_LIST, /* char **, owned; their number a size_t at `length` */
    FIELD_NAMED,     /* struct named_path *, owned: a mapping of strings; number as above */
    FIELD_WEIGHTS,   /* struct named_number *, owned: a mapping of names to numbers; as above */
    FIELD_SECTION,   /* the fields of another table, from `offset` on */
    FIELD_FIXED,     /* one of the choices, not stored */
    FIELD_ANY,       /* anything, not stored */
    FIELD_CUSTOM,    /* read by a function */
    FIELD_TYPES
};

enum field_status {
    FIELD_WORKS,
    FIELD_OURS,   /* works, and the original does not know it */
    FIELD_IDLE,   /* no effect: a warning when it is not the fallback; `help` says why */
    FIELD_REMARK, /* information for people and other programs: accepted without a word */
};

/* A table of choices ends with a name that is NULL. "null" stands for YAML's null. */
struct choice {
    const char *name;
    int value;
};

struct schema;

struct field {
    const char *key;
    enum field_type type;
    enum field_status status;
    unsigned classes; /* bits of the section's class values; 0: all */
    size_t offset, length;
    int count;
    /*
     * YAML text used when the key is absent or null; NULL: required. "null" leaves a text NULL, a
     * list empty, an integer 0, a number NaN and a section zero: the loader knows better. "{}"
     * reads a section from its defaults.
     */
    const char *fallback;
    double low, high; /* both ends included; equal: any finite number */
    bool above;       /* low itself is excluded */
    bool below;       /* high itself is excluded */
    const struct choice *choices;
    const struct schema *section;
    int (*custom)(const struct doc *doc, const struct doc_node *node, void *at);
    const char *help;
};

struct schema {
    const char *title; /* what messages call it: "model" */
    const char *help;
    const struct field *fields;
    size_t n_fields;
};

/*
 * Fill the struct at `base` (zeroed by the caller) from a mapping; NULL means an absent one, that
 * is defaults only. On failure what was read is freed and the struct zero again where it owned
 * memory. BPNET_ECONFIG with place and reason.
 */
int schema_read(const struct schema *schema, const struct doc *doc, const struct doc_node *node,
                void *base);
void schema_free(const struct schema *schema, void *base);

/* Block YAML with every key; reading it again gives the same struct. */
void schema_write(struct str *out, const struct schema *schema, const void *base);

/* Markdown: a heading and a table for the schema and, after it, for the sections within. */
void schema_describe(struct str *out, const struct schema *schema);

/* ---- shared between the readers, the writer and the reference ---------------------------- */

/* Is this row meant for the struct's class? */
bool field_applies(const struct schema *schema, const struct field *field, const void *base);
/* "an integer from 1 to 8", "jpg, jpeg or png", … */
void field_expectation(struct str *out, const struct field *field);

#endif
