/*
 * People in a photograph, with libbpnet alone:
 *
 *     cc infer.c $(pkg-config --cflags --libs bpnet) -o infer
 *     ./infer pose.engine photo.jpg
 */
#include <bpnet.h>

#include <stdio.h>

static int complain(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, bpnet_last_error());
    return 1;
}

static void print(const bpnet_info *info, const bpnet_people *people)
{
    for (int p = 0; p < people->n_persons; p++) {
        const bpnet_person *person = &people->persons[p];
        printf("person %d, score %.2f\n", p + 1, (double)person->score);
        for (int j = 0; j < info->n_joints; j++) {
            const bpnet_joint *joint = &person->joints[j];
            if (joint->score > 0)
                printf("    %-16s %7.1f %7.1f  %.2f\n", info->joint_names[j], (double)joint->x,
                       (double)joint->y, (double)joint->score);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: %s pose.engine photo.jpg ...\n", argv[0]);
        return 64;
    }
    bpnet *net;
    if (bpnet_open(&net, argv[1], NULL) != BPNET_OK)
        return complain(argv[1]);
    int status = 0;
    for (int i = 2; i < argc; i++) {
        const bpnet_people *people;
        if (bpnet_run_file(net, argv[i], &people) == BPNET_OK)
            print(bpnet_get_info(net), people);
        else
            status = complain(argv[i]);
    }
    bpnet_close(net);
    return status;
}
