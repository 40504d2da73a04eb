# The curve of pruning from its one command: a small network of stick people in two steps, an epoch or two
# after each. Figures are the machine's and not written down here.
root=$(readlink -f fixture)/../..
mkdir data
"$MAKE_STICKS" data || exit
for part in train val; do
    "$BPNET" dataset_convert -d data/dataset.json -o data/$part -m $([ $part = val ] && echo test || echo train) \
        --generate_masks --quiet > log 2>&1 || cat log
    sed 's/, "width"/, "source": "coco"&/g' data/annotations/$part.json > data/annotations/person_keypoints_$part.json
done
"$BPNET" train -e data/train.yaml -r out --cpu ref --threads 1 --quiet > log 2>&1 || cat log
curve() {
    RETRAIN=data/train.yaml GRANULARITY=4 SIZE="64, 64" SOURCES=coco DURATION=0.01 \
        "$root/tools/prune-curve" out/bpnet_model.bpnet data data curve "$@" --cpu ref --threads 1 --quiet \
        > curve.log 2>&1 || cat curve.log
    awk -F, 'NR == 1 { print; next }
             { printf "%s", $1
               for (i = 2; i <= NF; i++) printf ",%s", ($i == "" ? "" : i > 5 && $i <= 0 ? "none" : "#")
               print (NR > 2 && $3 >= last ? " not smaller" : ""); last = $3 }' curve/curve.csv
    grep -o '<circle[^>]*r="4"[^>]*>' curve/curve.svg | wc -l
}
curve 0.7
curve "0.7 0.5:2"
ls curve curve/0.5
grep -c "" curve/times
"$root/tools/prune-curve" | head -3
