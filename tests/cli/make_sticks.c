/* make-sticks FOLDER: the dataset of stick people that the end-to-end transcripts use. */
#include "base/error.h"
#include "stickfigure.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    const struct stick_dataset dataset = {
        .n_train = 6, .n_val = 3, .seed = 7, .num_epoch = 1, .batch_size = 2, .crowds = true};
    if (argc != 2) {
        fprintf(stderr, "usage: make-sticks FOLDER\n");
        return 64;
    }
    const int err = stick_dataset_write(argv[1], &dataset);
    if (err < 0)
        fprintf(stderr, "make-sticks: %s\n", error_message());
    return error_exit_status(err);
}
