# The optimisation article's four commands, with "bpnet" in place of "tlt bpnet": prune, retrain,
# export in 8 bits, export for deployment. On stick people, with the article's names; one level of
# instructions, so that the figures are the same everywhere.
blot() {
    sed -E -e "s|$PWD/||g" -e 's/[0-9]+\.[0-9]+ MB/… MB/g' -e '/^(loss|best|weights) /s/ [0-9a-f][^ ,]*/ …/' \
        -e 's/ in [0-9]+ (s|min)/ in …/' -e 's/[0-9.]+ s a step/… s a step/' -e 's/= -?[01]\.[0-9]{3}$/= …/' \
        -e '/^[^ ]+ +-?[0-9.]+ +[0-9.]+$/d' -e 's/noise [-0-9.]+ dB, cosine [0-9.]+/noise … dB, cosine …/'
}
"$MAKE_STICKS" . || exit
KEY=nvidia_tlt USER_EXPERIMENT_DIR=. SPECS_DIR=specs INPUT_SHAPE=64,96,3 IN_HEIGHT=64 IN_WIDTH=96
NUM_GPUS=1 NUM_CALIB_SAMPLES=4 models=$USER_EXPERIMENT_DIR/models
machine='--cpu ref --threads 1' # what the article does not have
mkdir -p specs $models/exp_m1_pruned $models/exp_m1_final data
mv train.yaml specs/bpnet_train_m1_coco.yaml
sed -e "s|pretrained_weights: .*|pretrained_weights: $models/exp_m1_pruned/bpnet_model.pruned-0.9.tlt|" \
    -e 's|load_graph: .*|load_graph: True|' specs/bpnet_train_m1_coco.yaml > specs/bpnet_retrain_m1_coco.yaml
cp specs/bpnet_retrain_m1_coco.yaml specs/bpnet_retrain_m1_coco.txt # the last command's slip
cp -r images data/calibration_data
for part in train test; do
    "$BPNET" dataset_convert -d dataset.json -o $([ $part = test ] && echo val || echo train) -m $part \
        --generate_masks --quiet > log 2>&1 || cat log
done
"$BPNET" train -e specs/bpnet_train_m1_coco.yaml -r $models/exp_m1_unpruned -k $KEY $machine --quiet > log 2>&1 || cat log
ls $models/exp_m1_unpruned/*.tlt

run prune -m $models/exp_m1_unpruned/bpnet_model.tlt \
    -o $models/exp_m1_pruned/bpnet_model.pruned-0.9.tlt \
    -eq union \
    -pth 0.9 \
    -k $KEY $machine --summary | blot
run train -e $SPECS_DIR/bpnet_retrain_m1_coco.yaml \
    -r $models/exp_m1_retrain \
    -k $KEY \
    --gpus $NUM_GPUS $machine --quiet | blot
run export -m $models/exp_m1_retrain/bpnet_model.tlt \
    -o $models/exp_m1_final/bpnet_model.etlt \
    -k $KEY \
    -d $INPUT_SHAPE \
    -e $SPECS_DIR/bpnet_retrain_m1_coco.yaml \
    -t tfonnx \
    --data_type int8 \
    --engine_file $models/exp_m1_final/bpnet_model.$IN_HEIGHT.$IN_WIDTH.int8.engine \
    --cal_image_dir $USER_EXPERIMENT_DIR/data/calibration_data/ \
    --cal_cache_file $models/exp_m1_final/calibration.$IN_HEIGHT.$IN_WIDTH.bin \
    --cal_data_file $models/exp_m1_final/coco.$IN_HEIGHT.$IN_WIDTH.tensorfile \
    --batch_size 1 \
    --batches $NUM_CALIB_SAMPLES \
    --max_batch_size 1 \
    --data_format channels_last $machine --no_timing | blot
run export -m $models/exp_m1_retrain/bpnet_model.tlt \
    -o $models/exp_m1_final/bpnet_model.deploy.etlt \
    -k $KEY \
    -d $INPUT_SHAPE \
    -e $SPECS_DIR/bpnet_retrain_m1_coco.txt \
    -t tfonnx \
    --data_type int8 \
    --engine_file $models/exp_m1_final/bpnet_model.$IN_HEIGHT.$IN_WIDTH.int8.deploy.engine \
    --cal_image_dir $USER_EXPERIMENT_DIR/data/calibration_data/ \
    --cal_cache_file $models/exp_m1_final/calibration.$IN_HEIGHT.$IN_WIDTH.deploy.bin \
    --cal_data_file $models/exp_m1_final/coco.$IN_HEIGHT.$IN_WIDTH.tensorfile \
    --batch_size 1 \
    --batches $NUM_CALIB_SAMPLES \
    --max_batch_size 1 \
    --data_format channels_last \
    --sdk_compatible_model $machine --no_timing | blot
for file in $models/exp_m1_final/*; do
    echo "$file $(head -c 6 "$file" | tr -cd 'A-Za-z0-9-')"
done

echo "# what came of it works"
final=$models/exp_m1_final
cmp $final/calibration.64.96.bin $final/calibration.64.96.deploy.bin && echo "the same ranges"
for engine in $final/*.engine $final/bpnet_model.etlt; do
    run evaluate -i infer.yaml --set 'input_shape=[64, 96]' -m $engine -d dataset.json -k $KEY $machine --quiet | grep -c Average
done
run import $final/bpnet_model.deploy.etlt -o back.tlt -k $KEY | blot
run evaluate -m $final/bpnet_model.etlt -d dataset.json
run evaluate -m $final/bpnet_model.etlt -d dataset.json -k nvidia
