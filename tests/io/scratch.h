/* A folder for one test program, gone with its contents at the end; and whole files in one call. */
#ifndef TESTS_IO_SCRATCH_H
#define TESTS_IO_SCRATCH_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch_folder[64];

/* cmocka group set-up and tear-down */
static inline int scratch_open(void **state)
{
    (void)state;
    snprintf(scratch_folder, sizeof(scratch_folder), "scratch-XXXXXX");
    return mkdtemp(scratch_folder) ? 0 : -1;
}

static inline void scratch_remove(const char *path)
{
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        char inner[4096];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(inner, sizeof(inner), "%.3000s/%.255s", path, entry->d_name);
        struct stat info;
        if (lstat(inner, &info) == 0 && S_ISDIR(info.st_mode))
            scratch_remove(inner);
        else
            unlink(inner);
    }
    if (folder)
        closedir(folder);
    rmdir(path);
}

static inline int scratch_close(void **state)
{
    (void)state;
    scratch_remove(scratch_folder);
    return 0;
}

/* Eight paths may be in use at a time. */
static inline const char *scratch_path(const char *name)
{
    static char paths[8][256];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof(paths[0]), "%s/%s", scratch_folder, name);
    return path;
}

static inline const char *scratch_write(const char *name, const void *bytes, size_t n)
{
    const char *path = scratch_path(name);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, n, file) != n || fclose(file) != 0)
        abort();
    return path;
}

static inline const char *scratch_text(const char *name, const char *text)
{
    return scratch_write(name, text, strlen(text));
}

/* The file's bytes with a NUL behind them, or NULL: free() */
static inline char *scratch_read(const char *path, size_t *n)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    char *bytes = NULL;
    size_t size = 0, got;
    do {
        char *grown = realloc(bytes, size + 65537);
        if (!grown)
            abort();
        bytes = grown;
        got = fread(bytes + size, 1, 65536, file);
        size += got;
    } while (got > 0);
    fclose(file);
    bytes[size] = '\0';
    if (n)
        *n = size;
    return bytes;
}

/* How many entries the scratch folder has: for "nothing was left behind". */
static inline int scratch_count(void)
{
    int n = 0;
    DIR *folder = opendir(scratch_folder);
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    if (folder)
        closedir(folder);
    return n;
}

#endif
