/*
 * What a teacher said of the views of a training set (augmentation_config.views), kept for the next
 * time they come up: a byte a value, in a scratch file. Whether a view was kept changes no bit,
 * since its maps are rounded the first time as well.
 */
#ifndef TRAIN_VIEW_CACHE_H
#define TRAIN_VIEW_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct view_cache;

/* For n_views views, each of n_heat values within 0..1 and n_paf within -1..1. */
int view_cache_open(struct view_cache **out, const char *folder, uint64_t n_views, size_t n_heat,
                    size_t n_paf);
void view_cache_close(struct view_cache *c); /* NULL is allowed */

bool view_cache_has(const struct view_cache *c, uint64_t view);

/* Only of a view it has. */
int view_cache_get(struct view_cache *c, uint64_t view, float *heat, float *paf);

/*
 * The maps are rounded in place to what view_cache_get() will give: heat to 1/255, PAFs to 1/127.
 * On a full disk a warning is logged, once, and nothing more is kept.
 */
void view_cache_put(struct view_cache *c, uint64_t view, float *heat, float *paf);

#endif
