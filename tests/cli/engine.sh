# From a network to engines: calibration, accuracy, running them, building them again.
"$MAKE_STICKS" . || exit
cp fixture/../../models/bpnet-light.bpnet net.bpnet
blot() { sed -E -e 's/[0-9]+\.[0-9]+ MB/… MB/g' -e 's/-?[0-9]+\.[0-9]+ points/… points/; s/(floats|bits|engine) 0\.[0-9]+/\1 …/g' \
    -e '/^[^ ]+ +-?[0-9.]+ +[0-9.]+$/d' -e 's/noise [-0-9.]+ dB, cosine [0-9.]+/noise … dB, cosine …/'; }
eight='--data_type int8 -d 64,96,3 --cpu ref --threads 1 --no_timing'
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
run export -m net.bpnet --engine_file gated.engine $eight --cal_image_dir images --batches 4 \
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
run export -m net.bpnet --engine_file nowhere/x.engine -d 64,96 --no_timing --quiet
