/* What the parts of the exporter share. */
#ifndef ONNX_EXPORTER_H
#define ONNX_EXPORTER_H

#include "onnx/export.h"
#include "onnx/onnx_writer.h"

enum { ONNX_TEXT_SIZE = 128 }; /* of a node's name and what is added to it */

struct exporter {
    const struct model *m;
    const struct onnx_export_options *options;
    struct onnx_writer *w;
    int height, width; /* the size it is meant for */
    int heat, paf;     /* the nodes that come out */
    bool *needed;      /* per node, as the following */
    int *norm; /* of a convolution, or a batch norm folded into one: the norm folded next, or -1 */
    bool *folded;                  /* this batch norm */
    int (*hw)[2];                  /* size of the map for h x w */
    char (*value)[ONNX_TEXT_SIZE]; /* the value that readers of the node's map are to read */
};

static inline const struct node *export_node(const struct exporter *x, int index)
{
    return &x->m->graph.nodes[index];
}

/* A name within a node: "N/part". Parts have no '/', values of maps no more than "N:0", and what
 * belongs to no node a ':' inside: so no two names can meet. */
void export_name(char out[ONNX_TEXT_SIZE], const struct node *n, const char *part);

/* One graph node and what it needs: export_ops.c. */
int export_op(struct exporter *x, int index);

/* Kernel and bias of a convolution as values whose names are given back; *bias "" when it has none:
 * export_weights.c. */
int export_weights(struct exporter *x, int index, char kernel[ONNX_TEXT_SIZE],
                   char bias[ONNX_TEXT_SIZE]);

/* export_ranges.c */
int export_check_ranges(const struct exporter *x); /* all that is named is there, and once */
const struct onnx_range *export_range(const struct exporter *x, int index);          /* or NULL */
const struct onnx_weights *export_conv_weights(const struct exporter *x, int index); /* or NULL */
/* Round the node's value, if it has a range; readers read what comes out. */
void export_round(struct exporter *x, int index);
/* The constants scale and zero, and a node that turns `from` into `to` by them. */
void export_dequantize(struct exporter *x, const char *from, const char *to,
                       const struct onnx_range *range);

#endif
