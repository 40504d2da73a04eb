# From a trained network to a smaller one, retrained; goals, sweeps, and what cannot be.
blot() { sed -E "s|$PWD/||g"; }
"$MAKE_STICKS" . || exit
"$BPNET" dataset_convert -d dataset.json -o train --generate_masks --quiet > log 2>&1
# At one level of instructions the weights, and so all figures, are the same everywhere.
train() { "$BPNET" train --cpu ref --threads 1 --quiet --set validation_every_n_epoch=0 "$@" >> log 2>&1 || tail -3 log; }
train -e train.yaml -r out
model=out/bpnet_model.bpnet

echo "# the report"
run prune -m $model -o small.bpnet -pth 0.9 -eq union -pg 8 -nf 8 --quiet | sed -n '1,12p;/^$/,$p'
ls small.*

echo "# a goal"
run prune -m $model -o half.bpnet --target-macs 0.5 -nf 8 --summary | sed 's/^threshold .*/threshold (…)/'
run prune -m $model -o half.bpnet --target-params 0.5 -nf 8 --score bn -n L2 --summary | sed 's/^threshold .*/threshold (…)/'
run prune -m $model -o little.bpnet --target-params 0.001
run prune -m $model -o little.bpnet --target-params 0.5 --target-macs 0.5
run prune -m $model -o little.bpnet --target-params 0 --target-macs 0
for goal in 0 -1 1 1.5; do
    run prune -m $model -o little.bpnet --target-macs $goal
    run prune -m $model -o little.bpnet --target-params=$goal --score taylor -e train.yaml
done
ls little.bpnet
run prune -m $model --dry-run -nf 8 --target-macs 0.5 --json |
    sed -n -e '/"total"/,$p' -e '/"name": "heatmap_out"/,/}/p'

echo "# fewer stages"
run prune -m $model -o short.bpnet --stages 1 --summary
run prune -m $model -o shorter.bpnet --stages 1 --target-macs 0.3 -nf 8 --json | sed -n '/"total"/,$p'
run prune -m $model -o enough.bpnet --stages 1 --target-macs 0.95 --summary
run prune -m $model -o none.bpnet --stages 3
run prune -m $model -o none.bpnet --stages 0
run prune -m shorter.bpnet -o shortest.bpnet --score taylor -e train.yaml --batches 1 --target-macs 0.8 -nf 4 \
    -pg 4 --summary --quiet --set dataloader.batch_size=2 | sed 's/[0-9][0-9.]*/N/g'
train -e train.yaml -r short --set pretrained_weights=shorter.bpnet --set load_graph=true --set model.stages=1
run inspect short/bpnet_model.bpnet --summary | grep ^parameters

echo "# gradients"
run prune -m $model -o t.bpnet --score taylor
run prune -m $model -o t.bpnet --score taylor -e train.yaml --batches 2 --target-macs 0.7 -nf 8 \
    --summary --quiet --set dataloader.batch_size=2 | sed 's/[0-9][0-9.]*/N/g'
run prune -m $model -o t.bpnet --score taylor -e nowhere.yaml

echo "# retrained, and once more"
train -e train.yaml -r re --set pretrained_weights=half.bpnet --set load_graph=true
run inspect re/bpnet_model.bpnet --summary | grep ^parameters
run prune -m re/bpnet_model.bpnet -o again.bpnet --target-params 0.7 -nf 4 -pg 4 --summary |
    sed 's/^threshold .*/threshold (…)/'
run evaluate -m again.bpnet -i infer.yaml --annotations annotations/val.json --images images --quiet | grep -c Average
"$BPNET" train -e train.yaml -r slip --compat --set pretrained_weights=half.bpnet --set load_graph=true \
    --set validation_every_n_epoch=0 2>&1 | grep -e regularis -e status

echo "# a sweep"
run prune -m $model --sweep 0.95,0.85,2 -nf 8 --annotations annotations/val.json --images images \
    -i infer.yaml --max_images 1 --quiet -r sweep | cut -c1-61
cut -d, -f1-5 sweep/sweep.csv
grep -c -e '<circle' -e '<path fill' sweep/sweep.svg
run prune -m $model --sweep 0.9 --json | head -8
run prune -m $model --sweep 0.9,x
run prune -m $model --sweep 0.9, -o x.bpnet
run prune -m $model --sweep 0.9 --images images

echo "# what cannot be"
run prune
run prune -m $model
run prune -m $model -o $model
ln -s $model link.bpnet
run prune -m link.bpnet -o $model
run prune -m $model -o out
run prune -m $model -o nowhere/x.bpnet
run prune -m train.yaml -o x.bpnet
run prune -m nowhere.bpnet -o x.bpnet
run prune -m $model -o x.bpnet -pth -0.1
run prune -m $model -o x.bpnet -pth nan
run prune -m $model -o x.bpnet -pth 1 -nf 8 --summary
run prune -m $model -o x.bpnet -pth 0 -nf 8 --summary
run prune -m $model -o x.bpnet -eq mean
run prune -m $model -o x.bpnet -pg 0
run prune -m $model -o x.bpnet -el stage1/conv1 stage1/heat_branch/conf
run prune -m $model -o x.bpnet -el block_2b_conv_2 stage1/conv1 -pth 1 -nf 8 --quiet | grep excluded
(ulimit -f 4; run prune -m $model -o full.bpnet -pth 0.9 --quiet) | tail -2
ls full*
