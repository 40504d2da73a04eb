# The recipe of the shipped network from its one command, an epoch a part, on stick people: the same
# weights from the same seed on one thread and on two, and other ones from another seed.
root=$(readlink -f fixture)/../..
mkdir data
"$MAKE_STICKS" data || exit
sed -e 's/"id": 1000,/& "source": "lspet",/' -e 's/"id": 1001,/& "source": "coco-background",/' \
    data/annotations/train.json > data/annotations/person_keypoints_train.json
mv data/annotations/val.json data/annotations/person_keypoints_val.json
recipe() {
    folder=$1
    shift
    "$root/tools/train-light" data "$root/models/bpnet-light.bpnet" "$folder" --quiet \
        --set num_epoch=1 --set dataloader.batch_size=3 --set 'dataloader.pose_config.target_shape=[12,12]' \
        --set dataloader.image_config.image_dims='{height: 96, width: 96, channels: 3}' \
        "$@" > "$folder.log" 2>&1 || cat "$folder.log"
    sed -n 's/^weights  *\([0-9a-f]\{32\}\)$/\1/p' "$folder.log" > "$folder.hashes"
    echo "$folder: $(sort -u "$folder.hashes" | wc -l) different hashes of $(wc -l < "$folder.hashes") parts"
}
recipe once --threads 1
recipe again --threads 2
recipe other --threads 2 --set random_seed=7
cmp once.hashes again.hashes && echo "once and again: the same weights"
cmp -s once.hashes other.hashes || echo "once and other: other weights"
