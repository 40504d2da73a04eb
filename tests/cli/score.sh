# Scoring two files: the ten lines are pycocotools' own.
run evaluate --annotations fixture/eval/ground_truth.json --results fixture/eval/results.json -r out
show out/results.csv
run evaluate --annotations fixture/eval/ground_truth.json --results fixture/eval/results.json > printed
sed -n '2,11p' printed | diff - fixture/eval/summary.txt && echo "as pycocotools prints it"
run evaluate --annotations fixture/eval/ground_truth.json --results fixture/eval/results.json --json  |
    sed -E "s/([0-9]\.[0-9]{6})[0-9]+/\1…/"

# Only the first pictures; nothing to find; nothing found.
run evaluate --annotations fixture/eval/ground_truth.json --results fixture/eval/results.json \
    --max_images 2 | sed -n '1,11p'
echo '[]' > none.json
run evaluate --annotations fixture/eval/ground_truth.json --results none.json | sed -n '1,3p'
run evaluate --annotations fixture/eval/no_people.json --results none.json | sed -n '1,3p'

# A stranger among the results, and another category.
cat > strange.json <<'JSON'
[{"image_id": 4711, "category_id": 1, "score": 1,
  "keypoints": [0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]},
 {"image_id": 10, "category_id": 3, "score": 1,
  "keypoints": [0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]}]
JSON
run evaluate --annotations fixture/eval/ground_truth.json --results strange.json | sed -n '1,4p'

# Files that are not there or not what they should be.
run evaluate --annotations missing.json --results none.json
run evaluate --annotations fixture/eval/ground_truth.json --results missing.json
run evaluate --annotations none.json --results none.json
echo '[{"image_id": 10, "category_id": 1, "score": 1, "keypoints": [1, 2, 3]}]' > short.json
run evaluate --annotations fixture/eval/ground_truth.json --results short.json -r failed
sed 's/"date".*"time": "[^"]*"/"date": …/' failed/status.json
head -c 300 fixture/eval/results.json > cut.json
run evaluate --annotations fixture/eval/ground_truth.json --results cut.json
run evaluate --annotations fixture/eval/ground_truth.json --results fixture/eval/results.json -r /proc/here
