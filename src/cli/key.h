/* The key of sealed files (io/seal.h), from wherever the user keeps it. */
#ifndef CLI_KEY_H
#define CLI_KEY_H

#include "cli/verb.h"
#include "io/seal.h"

/*
 * The key of -k, --key_file or --key_fd, of which at most one may be given, or else the one in the
 * environment as BPNET_KEY; *out is NULL when there is none. A file or descriptor is read to its
 * end, and one line end there is not part of the key. What stood on the command line or in the
 * environment is overwritten, so that it is not for everyone to see for long.
 */
int key_open(struct seal_key **out, const struct common_args *common);

#endif
