/* Paths written in spec files. */
#ifndef SPEC_SPEC_PATH_H
#define SPEC_SPEC_PATH_H

/*
 * Replace *path by the same path from the folder of the spec when only that one exists, so that
 * everybody afterwards can open it as it is. NULL and "" stay. BPNET_ENOMEM or 0.
 */
int spec_path_settle(char **path, const char *spec_path);

#endif
