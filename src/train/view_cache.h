/*
 * What a teacher said of the views of a training set (augmentation_config.views), kept for the next
 * time they come up, in this run or another: a byte a value, in a file of slots. A view's number
 * only says where to look; maps are found by the picture that they were made from. Whether a view
 * was kept changes no bit, since its maps are rounded the first time as well.
 */
#ifndef TRAIN_VIEW_CACHE_H
#define TRAIN_VIEW_CACHE_H

#include "io/slot_file.h"

#include <stddef.h>
#include <stdint.h>

struct view_cache;

/*
 * For views of n_heat values within 0..1 and n_paf within -1..1. The key names who made them, and
 * how; what is in the file under another one is dropped.
 */
int view_cache_open(struct view_cache **out, const char *path, const char key[SLOT_KEY_SIZE],
                    size_t n_heat, size_t n_paf);
void view_cache_close(struct view_cache *c); /* NULL is allowed */

/* 1 when the view's maps are there and were made from this picture (its hash), 0 when not. */
int view_cache_get(struct view_cache *c, uint64_t view, uint64_t picture, float *heat, float *paf);

/*
 * The maps are rounded in place to what view_cache_get() will give: heat to 1/255, PAFs to 1/127.
 * On a full disk a warning is logged, once, and nothing more is kept.
 */
void view_cache_put(struct view_cache *c, uint64_t view, uint64_t picture, float *heat, float *paf);

#endif
