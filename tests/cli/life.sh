# The whole life on stick people: convert, train, stop and go on, evaluate, inference. Times, speeds
# and what depends on the last bit of the arithmetic are blotted out.
blot() {
    sed -E -e "s|$PWD/||g" -e 's/[0-9.]+ s a step/… s a step/' -e 's/ in [0-9]+ (s|min)/ in …/' \
        -e '/^(loss|best|weights) /s/ [0-9a-f][^ ,]*/ …/' -e 's/^(ms a picture +).*/\1…/' \
        -e 's/= -?[01]\.[0-9]{3}$/= …/' -e '/^(people by size|joints of)/,/^$/d' \
        -e 's/^(people found +).*/\1…/' -e 's/, [0-9]+ (person|people), [0-9]+ ms/, … people, … ms/' \
        -e '/^  person /d' -e 's/"date".*"time": "[^"]*"/"date": …/'
}
"$MAKE_STICKS" . || exit

run dataset_convert -d dataset.json -o train -m train --generate_masks --quiet
run dataset_convert -d dataset.json -o val -m test --generate_masks --quiet
run dataset_convert -d dataset.json -o other --dry-run --json --quiet
ls ./*-fold-* masks* 2>/dev/null

run train -e train.yaml --dry-run --quiet
ls results 2>/dev/null
run train -e train.yaml --threads 1 --quiet | blot
ls results
sed -n '1p;$p' results/status.json | blot | sed -E 's/"kpi".*/"kpi": …/'
echo "# again: everything is done already"
run train -e train.yaml --threads 2 --quiet | blot

run evaluate -i infer.yaml -d dataset.json -r evaluated --quiet | blot
ls evaluated
run evaluate --annotations annotations/val.json --results evaluated/detections_coco_format.json |
    sed -n '2,11p' > from_results
run evaluate -m results/bpnet_model.bpnet -i infer.yaml --annotations annotations/val.json \
    --images images --quiet | sed -n '2,11p' | diff - from_results && echo "the same ten figures"

run inference images/val_0000.jpg -m results/bpnet_model.bpnet -i infer.yaml | blot
ls images/*_pose*
run inference images -m results/bpnet_model.bpnet -i infer.yaml -r found --quiet > log
ls found
run inference --input images/val_0001.jpg -i infer.yaml -r original --dump_visualizations | blot
find original -type f | sort
run inference images/val_0001.jpg -i infer.yaml -r coco --format coco --no_drawings --quiet | blot
run inference images/val_0001.jpg -i infer.yaml -r openpose --format openpose --quiet | blot
ls coco openpose
run inference images/val_0001.jpg -i infer.yaml -r nothing --dry-run --quiet | blot
ls nothing 2>/dev/null

echo '{"images": [{"full_image_path": "val_0000.jpg", "mine": 7}, {"full_image_path": "gone.jpg"}]}' > list.json
run inference --input list.json --image_root_path images -i infer.yaml -r listed --quiet | blot
grep -E 'mine|full_image_path|scores' listed/detections.json
BPNET_MODEL=results/bpnet_model.bpnet
export BPNET_MODEL
run inference images/val_0002.jpg -r shipped --no_drawings --json | grep -E 'picture|width|points'
BPNET_MODEL=elsewhere.bpnet
run inference images/val_0002.jpg

run inspect results/bpnet_model.bpnet --summary --cpu ref | sed -E 's/[0-9.]+ k?B/… B/g; /^weights/d'
run inspect results/model.epoch-1.bpnet --summary --json --cpu ref | grep -E 'kind|epoch|parameters'
