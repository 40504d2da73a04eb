/* Pairing a network's outputs with a batch's labels. */
#include "train/maps.h"

#include "base/error.h"

#include <string.h>

void maps_feed(struct exec *exec, const struct batch *batch)
{
    const size_t n = (size_t)batch->n * (size_t)batch->image_h * (size_t)batch->image_w * 3;
    memcpy(exec_input(exec), batch->image, n * sizeof(float));
}

int maps_bind(struct loss_map maps[LOSS_MAX_MAPS], int *n_maps, struct exec *exec,
              const struct batch *batch, bool grads)
{
    const int n = exec_n_outputs(exec);
    if (n < 2 || n % 2 != 0 || n > LOSS_MAX_MAPS)
        return error_set(BPNET_ECONFIG,
                         "the network has %d outputs, expected 2 for each of 1..%d "
                         "stages",
                         n, LOSS_MAX_MAPS / 2);
    for (int k = 0; k < n; k++) {
        const bool heat = k < n / 2;
        int h, w, channels, pitch;
        const float *value = exec_output(exec, k, &h, &w, &channels, &pitch);
        const int expected = heat ? batch->heat_channels : batch->paf_channels;
        if (h != batch->label_h || w != batch->label_w || channels != expected)
            return error_set(BPNET_ECONFIG,
                             "output %d of the network is %d x %d x %d, its labels are %d x %d x "
                             "%d (dataloader.pose_config.target_shape)",
                             k, h, w, channels, batch->label_h, batch->label_w, expected);
        maps[k] = (struct loss_map){.value = value,
                                    .pitch = pitch,
                                    .channels = channels,
                                    .cells = (size_t)h * (size_t)w,
                                    .label = heat ? batch->heat : batch->paf,
                                    .mask = heat ? batch->heat_mask : batch->paf_mask,
                                    .grad = grads ? exec_output_grad(exec, k) : NULL};
    }
    *n_maps = n;
    return BPNET_OK;
}
