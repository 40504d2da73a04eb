/* Event files: TFRecords of Event messages, appended one by one. */
#include "io/tfevents.h"

#include "base/error.h"
#include "base/str.h"
#include "io/file.h"
#include "io/tfrecord.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "event.pb-c.h"

enum { HOST_SIZE = 256, MAX_SAME_SECOND = 100 };

static double wall_time(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int write_event(struct tfevents *t, const Tf__Event *event)
{
    const size_t size = tf__event__get_packed_size(event);
    uint8_t *bytes = malloc(size + TFRECORD_FRAME);
    if (!bytes)
        return error_set(BPNET_ENOMEM, "%s: no memory for an event", t->path);
    tf__event__pack(event, bytes + TFRECORD_HEAD);
    tfrecord_frame(bytes, bytes + TFRECORD_HEAD + size, bytes + TFRECORD_HEAD, size);
    int error = BPNET_OK;
    if (fwrite(bytes, 1, size + TFRECORD_FRAME, t->file) != size + TFRECORD_FRAME ||
        fflush(t->file) != 0)
        error = error_set_errno(BPNET_EIO, "%s: cannot write", t->path);
    free(bytes);
    return error;
}

/* A file of our own: a run that is started anew within the second gets another number. */
static int create(struct tfevents *t, const char *folder)
{
    char host[HOST_SIZE] = "";
    if (gethostname(host, sizeof(host) - 1) != 0 || !*host)
        snprintf(host, sizeof(host), "localhost");
    const long long now = (long long)time(NULL);
    for (int number = 0; number < MAX_SAME_SECOND; number++) {
        struct str name = {0};
        str_printf(&name, "events.out.tfevents.%010lld.%s.%ld.%d", now, host, (long)getpid(),
                   number);
        t->path = str_status(&name) == BPNET_OK ? path_join(folder, name.text) : NULL;
        str_free(&name);
        if (!t->path)
            return BPNET_ENOMEM;
        const int fd = open(t->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0) {
            if ((t->file = fdopen(fd, "wb")))
                return BPNET_OK;
            close(fd);
        }
        if (errno != EEXIST)
            break;
        free(t->path);
        t->path = NULL;
    }
    return error_set_errno(BPNET_ECREATE, "%s: cannot create an event file", folder);
}

int tfevents_open(struct tfevents *t, const char *folder)
{
    *t = (struct tfevents){0};
    Tf__Event version = TF__EVENT__INIT;
    version.wall_time = wall_time();
    version.what_case = TF__EVENT__WHAT_FILE_VERSION;
    version.file_version = (char[]){"brain.Event:2"};
    int error;
    if ((error = folder_create(folder)) < 0 || (error = create(t, folder)) < 0 ||
        (error = write_event(t, &version)) < 0) {
        if (t->file) {
            fclose(t->file);
            unlink(t->path); /* an event file without its version is of no use */
        }
        free(t->path);
        *t = (struct tfevents){0};
    }
    return error;
}

int tfevents_write(struct tfevents *t, int64_t step, const struct tfevents_scalar *scalars,
                   size_t n)
{
    Tf__Summary__Value *values = calloc(n + 1, sizeof(*values));
    Tf__Summary__Value **list = calloc(n + 1, sizeof(*list));
    int error = BPNET_OK;
    if (!values || !list) {
        error = error_set(BPNET_ENOMEM, "%s: no memory for %zu scalars", t->path, n);
        goto done;
    }
    for (size_t i = 0; i < n; i++) {
        tf__summary__value__init(&values[i]);
        values[i].tag = (char *)(uintptr_t)scalars[i].tag; /* only read by the packer */
        values[i].value_case = TF__SUMMARY__VALUE__VALUE_SIMPLE_VALUE;
        values[i].simple_value = scalars[i].value;
        list[i] = &values[i];
    }
    Tf__Summary summary = TF__SUMMARY__INIT;
    summary.n_value = n;
    summary.value = list;
    Tf__Event event = TF__EVENT__INIT;
    event.wall_time = wall_time();
    event.step = step;
    event.what_case = TF__EVENT__WHAT_SUMMARY;
    event.summary = &summary;
    error = write_event(t, &event);
done:
    free(values);
    free(list);
    return error;
}

int tfevents_close(struct tfevents *t)
{
    int error = BPNET_OK;
    if (t->file && fclose(t->file) != 0)
        error = error_set_errno(BPNET_EIO, "%s: cannot write", t->path);
    free(t->path);
    *t = (struct tfevents){0};
    return error;
}
