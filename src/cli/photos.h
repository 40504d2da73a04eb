/* The pictures named on a command line: files, folders, and JSON lists (spec 1.6). */
#ifndef CLI_PHOTOS_H
#define CLI_PHOTOS_H

#include "io/json.h"

#include <stddef.h>

struct photo {
    char *path;               /* to open */
    char *stem;               /* of its outputs: "holiday/photo"; see photos_name() */
    const struct json *entry; /* its object in a JSON list, or NULL */
};

struct photos {
    struct photo *items;
    size_t n, capacity;
    struct json *root; /* of a JSON list */
};

void photos_free(struct photos *p); /* a zeroed one is allowed */

/*
 * A picture, or every .jpg, .jpeg and .png of a folder in byte order, results of an earlier run
 * ("…_pose.jpg") left out. BPNET_ENOENT when there is nothing. What a file holds is not looked at.
 */
int photos_add(struct photos *p, const char *path);

/*
 * A JSON list of paths, or an object with "images", a list of objects with "full_image_path". Every
 * path is joined to `root` ("": as it is). Once a list at most.
 */
int photos_add_json(struct photos *p, const char *path, const char *root);

/*
 * Give every photo its stem: in `folder`, or beside it when `folder` is NULL. Equal ones (a.jpg and
 * a.png) are numbered: a, a-2.
 */
int photos_name(struct photos *p, const char *folder);

#endif
