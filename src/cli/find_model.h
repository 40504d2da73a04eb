/* Which model is meant when none is named. */
#ifndef CLI_FIND_MODEL_H
#define CLI_FIND_MODEL_H

/*
 * The shipped model: $BPNET_MODEL if set, else models/bpnet-light.bpnet of ../share/bpnet beside
 * the program, or of the source tree. Fresh text in *path; BPNET_ENOENT says where it was looked
 * for.
 */
int find_model(char **path);

#endif
