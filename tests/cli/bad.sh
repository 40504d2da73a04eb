# A tour of bad inputs: one clear sentence each, and the exit status of sysexits.h.
blot() { sed -E "s|$PWD/||g"; }
"$MAKE_STICKS" . || exit
"$BPNET" dataset_convert -d dataset.json -o train --generate_masks --quiet > log 2>&1
"$BPNET" train -e train.yaml -r out --quiet --set validation_every_n_epoch=0 >> log 2>&1 || cat log
model=out/bpnet_model.bpnet
photo=images/val_0000.jpg

echo "# pictures"
head -c 2000 $photo > cut.jpg
printf 'not a picture' > text.jpg
: > empty.png
printf '\211PNG\r\n\032\n\0\0\0\rIHDR\0\0\352\140\0\0\352\140\010\002\0\0\0' > huge.png
printf '\042\302\350\177\0\0\0\0IEND\256\102\140\202' >> huge.png
mkdir nothing
run inference -m $model nowhere.jpg
run inference -m $model cut.jpg
run inference -m $model text.jpg
run inference -m $model empty.png
run inference -m $model huge.png
run inference -m $model nothing
run inference -m $model cut.jpg text.jpg
run inference -m $model
run inference -m $model --input nowhere --input_type dir
run inference -m $model $photo -r $photo/below
ls ./*_pose* 2>/dev/null

echo "# models"
head -c 1000 $model > cut.bpnet
cp $model flipped.bpnet
printf 'X' | dd of=flipped.bpnet bs=1 seek=5000 conv=notrunc 2>/dev/null
run inference -m nowhere.bpnet $photo
run inference -m cut.bpnet $photo
run inference -m flipped.bpnet $photo
run inference -m $photo $photo
run inspect cut.bpnet
run inspect flipped.bpnet

echo "# specs"
sed 's/^num_epoch: .*/num_epoch: many/' train.yaml > typed.yaml
sed 's/^num_epoch:/num_epochs:/' train.yaml > typo.yaml
sed 's/^model:/model: [/' train.yaml > broken.yaml
run train -e nowhere.yaml
run train -e typed.yaml
run train -e typo.yaml
run train -e broken.yaml | blot
run train -e train.yaml --set optimizer.beta1=high
run train -e train.yaml --set dataloader.batch_sise=3
run train -e train.yaml --set model.heat_channels=5 -r other | blot
run inference -m $model $photo --set input_shape=[0,0]

echo "# annotations"
sed 's/"keypoints": \[[^]]*\], "bbox"/"keypoints": [1, 2, 3], "bbox"/' annotations/val.json > short.json
sed 's/val_0001/val_9999/' annotations/val.json > absent.json
sed -E 's/"images": \[[^]]*\]/"images": []/; s/"annotations": .*, "categories"/"annotations": [], "categories"/' \
    annotations/val.json > none.json
cut='--annotations cut.json --images images'
head -c 500 annotations/val.json > cut.json
run evaluate -m $model -i infer.yaml $cut
run evaluate -m $model -i infer.yaml --annotations short.json --images images
run evaluate -m $model -i infer.yaml --annotations absent.json --images images --quiet | sed -n 1,3p
run evaluate -m $model -i infer.yaml --annotations annotations/val.json --images nowhere --quiet |
    tail -2
run evaluate -m $model
run evaluate -m $model --annotations annotations/val.json
run dataset_convert -d dataset.json -o empty --quiet --set train_data.annotation_root_dir_path=none.json
run train -e train.yaml -r other --set 'dataloader.dataset_config.train_records_path=[nowhere]' | blot

echo "# outputs"
run dataset_convert -d dataset.json -o nowhere/train --quiet | blot
run dataset_convert -d dataset.json -o /proc/train --quiet | blot
(ulimit -f 4; run inference -m $model -i infer.yaml $photo -r full) | cat
ls full
stdout=/dev/full
run evaluate --annotations annotations/val.json --results fixture/eval/results.json --quiet
