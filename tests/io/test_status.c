/* status.json: one object a line, appended, in the reference's form (spec 1.1). */
#include "base/error.h"
#include "io/json.h"
#include "io/status.h"

#include "io/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

static void test_lines(void **state)
{
    (void)state;
    const char *folder = scratch_path("new/results");
    const struct status_value fields[] = {{"epoch", 3, NULL}, {"eta", 0, "0:01:30"}};
    const struct status_value kpi[] = {{"AP", 0.5625, NULL}, {"AR", NAN, NULL}};
    const struct status_value graphical[] = {{"loss", 1.25, NULL}};
    const struct status_line running = {.state = STATUS_RUNNING,
                                        .message = "said \"so\"\n",
                                        .fields = fields,
                                        .n_fields = 2,
                                        .kpi = kpi,
                                        .n_kpi = 2,
                                        .graphical = graphical,
                                        .n_graphical = 1};
    const struct status_line skipped = {.state = STATUS_SKIPPED};
    assert_int_equal(status_append(folder, &running), BPNET_OK);
    assert_int_equal(status_append(folder, &skipped), BPNET_OK);

    char *text = scratch_read(scratch_path("new/results/status.json"), NULL);
    assert_non_null(text);
    char *second = strchr(text, '\n') + 1;
    assert_int_equal(second[strlen(second) - 1], '\n');
    assert_null(strchr(second, '\n')[1] ? second : NULL); /* two lines */

    const char *rest = strstr(text, "\"status\"");
    assert_memory_equal(text, "{\"date\": \"", 10);
    assert_int_equal(strncmp(rest,
                             "\"status\": \"RUNNING\", \"verbosity\": \"INFO\", "
                             "\"message\": \"said \\\"so\\\"\\n\", \"epoch\": 3, \"eta\": "
                             "\"0:01:30\", \"kpi\": {\"AP\": 0.5625, \"AR\": null}, "
                             "\"graphical\": {\"loss\": 1.25}}\n",
                             (size_t)(second - rest)),
                     0);
    assert_non_null(strstr(second, "\"status\": \"SKIPPED\", \"verbosity\": \"INFO\"}\n"));
    free(text);
}

/* M/D/YYYY and H:M:S, neither padded with zeros: what one prints from the numbers is what is there.
 */
static void test_date_and_time(void **state)
{
    (void)state;
    const struct status_line line = {.state = STATUS_STARTED};
    assert_int_equal(status_append(scratch_path("dates"), &line), BPNET_OK);
    struct json *v;
    assert_int_equal(json_load(&v, scratch_path("dates/status.json"), 1000), BPNET_OK);
    const char *date = json_as_string(json_get(v, "date")),
               *clock = json_as_string(json_get(v, "time"));
    int month, day, year, hour, minute, second;
    assert_int_equal(sscanf(date, "%d/%d/%d", &month, &day, &year), 3);
    assert_int_equal(sscanf(clock, "%d:%d:%d", &hour, &minute, &second), 3);
    char again[64];
    snprintf(again, sizeof(again), "%d/%d/%d", month, day, year);
    assert_string_equal(again, date);
    snprintf(again, sizeof(again), "%d:%d:%d", hour, minute, second);
    assert_string_equal(again, clock);
    struct tm told = {.tm_year = year - 1900,
                      .tm_mon = month - 1,
                      .tm_mday = day,
                      .tm_hour = hour,
                      .tm_min = minute,
                      .tm_sec = second,
                      .tm_isdst = -1};
    assert_true(fabs(difftime(time(NULL), mktime(&told))) < 100);
    json_free(v);
}

static void test_failures(void **state)
{
    (void)state;
    const struct status_line line = {.state = STATUS_FAILURE, .message = "why"};
    assert_int_equal(status_append(scratch_text("file", ""), &line), BPNET_ECREATE);
    assert_int_equal(mkdir(scratch_path("full"), 0777), 0);
    assert_int_equal(symlink("/dev/full", scratch_path("full/status.json")), 0);
    assert_int_equal(status_append(scratch_path("full"), &line), BPNET_EIO);
    assert_non_null(strstr(error_message(), "full/status.json: cannot write: No space left"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_date_and_time),
        cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
