# Pictures for calibration: which ones, how many, and that a failed run leaves nothing.
mkdir -p pictures/a pictures/b
for f in a/1 a/2 b/3 b/4 b/5 6; do echo "picture $f" > "pictures/$f.jpg"; done
person() { # image, labelled keypoints
    printf '{"id": %s%s, "image_id": %s, "category_id": 1, "num_keypoints": %s, "bbox": [0, 0, 9, 9], "area": 81, "iscrowd": 0, "keypoints": [' "$1" "$2" "$1" "$2"
    i=0
    while [ $i -lt 17 ]; do
        [ $i -lt "$2" ] && v=2 || v=0
        printf '%s5, 5, %s' "$([ $i -gt 0 ] && echo ', ')" "$v"
        i=$((i + 1))
    done
    printf ']}'
}
cat > people.json <<JSON
{"images": [{"id": 1, "file_name": "a/1.jpg", "width": 10, "height": 10},
            {"id": 2, "file_name": "a/2.jpg", "width": 10, "height": 10},
            {"id": 3, "file_name": "b/3.jpg", "width": 10, "height": 10},
            {"id": 4, "file_name": "b/4.jpg", "width": 10, "height": 10},
            {"id": 5, "file_name": "b/5.jpg", "width": 10, "height": 10},
            {"id": 6, "file_name": "6.jpg", "width": 10, "height": 10},
            {"id": 7, "file_name": "a/1.jpg", "width": 10, "height": 10}],
 "annotations": [$(person 1 5), $(person 1 12), $(person 2 4), $(person 3 17), $(person 4 6),
                 $(person 4 3), $(person 5 5), $(person 6 9), $(person 7 9)],
 "categories": [{"id": 1, "name": "person", "keypoints": ["nose", "left_eye", "right_eye",
   "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
   "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
   "right_ankle"]}]}
JSON
sample() { run sample_calibration_images -a people.json -i pictures "$@"; }
copies() { (cd "$1" 2>/dev/null && find . -type f | sort | tr '\n' ' '); echo; }

# In the order of the file, exactly as many as wanted; picture 2 has too few keypoints.
sample -o two -n 2
copies two
cmp pictures/b/3.jpg two/b/3.jpg && echo equal

# Fewer than wanted: all of them, one picture once.
sample -o all
copies all

# Two people of five keypoints; one person of one.
sample -o crowd -pth 2
copies crowd
sample -o any -kth 1 -n 9 --quiet
copies any

# By chance: the same for one seed, whatever the number of threads; another for another seed.
sample -o first -n 3 --randomize --seed 4 --threads 1
sample -o second -n 3 -r --seed 4 --threads 3
copies first
copies second
sample -n 3 -r --seed 4 -o third --dry-run --json
sample -n 3 -r --seed 5 -o third --dry-run --json | sed -n '/images/,$p'
ls third 2>&1

# A folder with something in it, a file, nobody good enough, no annotations.
sample -o two -n 2
sample -o people.json
sample -o none -pth 3
run sample_calibration_images -a gone.json -i pictures -o none
mkdir empty
sample -o empty -n 1

# Copies that cannot be written are removed; a picture that is gone is found out before copying.
(ulimit -f 0; sample -o none/deep) | cat
ls none/deep 2>&1
rm pictures/b/4.jpg pictures/b/5.jpg
sample -o none
ls none 2>&1
run sample_calibration_images -a people.json -i pictures
