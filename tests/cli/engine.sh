# From a network to engines: calibration, accuracy, running them, building them again.
"$MAKE_STICKS" . || exit
cp fixture/../../models/bpnet-light.bpnet net.bpnet
blot() { sed -E -e 's/[0-9]+\.[0-9]+ MB/… MB/g' -e 's/[-+]?[0-9]+\.[0-9]+ points/… points/; s/(floats|bits|engine) 0\.[0-9]+/\1 …/g' \
    -e '/^[^ ]+ +-?[0-9.]+ +([0-9.]+$|%)/d' -e 's/noise [-0-9.]+ dB, cosine [0-9.]+/noise … dB, cosine …/'; }
eight='--data_type int8 -d 64,96,3 --cpu ref --threads 1 --no_timing'
quick='--data_type int8 -d 64,96,3 --threads 1 --no_timing'
run export -m net.bpnet --engine_file pose.engine $eight --cal_image_dir images --batches 4 \
    --cal_cache_file cal.bin --cal_data_file pictures.tensorfile | blot
head -n 2 cal.bin | sed -E 's/[0-9a-f]{32}/…/'
run export -m net.bpnet --engine_file again.engine $eight --cal_image_dir images --batches 4 \
    --cal_cache_file cal_again.bin --cal_data_file pictures.tensorfile --quiet | blot
cmp cal.bin cal_again.bin && cmp pose.engine again.engine && echo "the same ranges, the same engine"
run export -m net.bpnet --engine_file cached.engine $eight --cal_cache_file cal.bin | blot
sed -E '2s/[0-9a-f]{32}/0123456789abcdef0123456789abcdef/' cal.bin > stale.bin
run export -m net.bpnet --engine_file stale.engine $eight --cal_cache_file stale.bin | blot
sed 2d cal.bin > nobody.bin
run export -m net.bpnet --engine_file nobody.engine $eight --cal_cache_file nobody.bin | blot
sed /stage1.conv1/d cal.bin > other.bin
run export -m net.bpnet --engine_file other.engine $eight --cal_cache_file other.bin
run export -m net.bpnet --engine_file half.engine --data_type fp16 -d 64,96 --cpu ref --no_timing --eval-dataset dataset.json --quiet | blot
run export -m net.bpnet --engine_file gated.engine $quick --cal_image_dir images --batches 4 \
    --cal_cache_file '' --eval-dataset dataset.json --max-drop 100 --quiet | blot
run export --rebuild -m pose.engine --engine_file rebuilt.engine --cpu ref --threads 1 --no_timing --quiet | blot
cmp pose.engine rebuilt.engine && echo "the same engine"
run inference images/val_0000.jpg -m pose.engine --no_drawings --quiet | sed "s/[0-9]* ms/… ms/"
run benchmark -m pose.engine --threads 1 --duration 0.05 --json 2> nothing | grep -e kind -e precision -e input
run export -m net.bpnet --engine_file pose.engine $eight
run export -m net.bpnet --engine_file x.engine $eight --cal_image_dir images --batches 4000 --cal_cache_file none.bin
run export -m net.bpnet --engine_file x.engine $eight --cal_cache_file net.bpnet
run export -m net.bpnet --engine_file x.engine $eight --max-drop 1
run export -m net.bpnet --rebuild
run export -m net.bpnet --engine_file x.engine --rebuild

# Limits of the AP, for every type; one that cannot be held: status 1, and nothing is there. Ranges that
# are far too small leave nobody in the pictures, and an engine that is built again is as it is.
large='-d 128,160,3 --threads 1 --no_timing --quiet --eval-dataset dataset.json'
run export -m net.bpnet --engine_file floats.engine $large --max-drop 0 | blot
run export -m net.bpnet --engine_file halves.engine --data_type fp16 $large --max-drop 100 | blot
sed '2,$s/: .*/: 3a000000/' cal.bin > narrow.bin
run export -m net.bpnet --engine_file narrow.engine --data_type int8 --cal_cache_file narrow.bin \
    -d 128,160,3 --threads 1 --no_timing --quiet | blot
run export -m net.bpnet --engine_file kept.engine --data_type int8 --cal_cache_file narrow.bin $large --min_snr 0 \
    --max-drop 5 | blot | sed -E 's/ [0-9]+ (convolutions|steps)/ … \1/'
run export --rebuild -m narrow.engine --engine_file x.engine $large --max-drop 5 | blot
stdout=missed run export --rebuild -m narrow.engine --engine_file x.engine $large --max-drop 5 --json | blot
grep -E '"(files|ap_float|ap_engine)"' missed | sed 's/0\.[0-9]*/…/'

# Without calibration pictures layers are ranked on those of the evaluation.
run export -m net.bpnet --engine_file ranked.engine $quick --cal_cache_file cal.bin --eval-dataset dataset.json \
    --eval_max_images 2 --quiet | blot

# One object, whatever is made: its keys, one a line.
keys() { grep -E -e '^[^ ]' -e '^  "' "$1" | sed -E 's/^  "([a-z_0-9]+)": .*/\1/' | tr '\n' ' '; echo; }
stdout=one run export -m net.bpnet --engine_file one.engine -d 64,96 --no_timing --quiet --json
keys one
stdout=two run export -m net.bpnet --engine_file two.engine -o two.onnx $quick --cal_image_dir images --batches 2 \
    --cal_cache_file two.bin --eval-dataset dataset.json --eval_max_images 2 --onnx_data_type int8 --quiet --json
keys two
grep -E '"(path|kind)"' two
stdout=three run export --rebuild -m two.engine --engine_file three.engine --no_timing --quiet --json
keys three
grep -h 'weights"' one two three | uniq | wc -l
stdout=four run export -m net.bpnet --engine_file four.engine -o four.onnx --dry-run --json
keys four

# Outputs that would be the input, or that cannot be: before anything is done.
ln -s net.bpnet link.bpnet
run export -m net.bpnet --engine_file net.bpnet --force
run export -m net.bpnet --engine_file link.bpnet --force
run export -m link.bpnet -o x.onnx --engine_file net.bpnet --force
run export -m net.bpnet -o x.onnx --engine_file x.onnx
run export -m net.bpnet --engine_file images $quick --cal_image_dir images
run export -m net.bpnet --engine_file x.engine $quick --cal_image_dir images --cal_cache_file nowhere/cal.bin
run export -m net.bpnet --engine_file nowhere/x.engine $quick --cal_image_dir images --batches 4
cmp net.bpnet fixture/../../models/bpnet-light.bpnet && ls x* nowhere 2> nothing
run export -m net.bpnet --engine_file nowhere/x.engine -d 64,96 --no_timing --quiet
