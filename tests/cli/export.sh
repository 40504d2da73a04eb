# The shipped network as files for other programs. Its size is its own business.
blot() { sed -E -e 's/[0-9]+\.[0-9] MB/… MB/' -e 's/("bytes": ).*/\1…/' -e 's/("weights": ").*"/\1…"/' -e 's/^    [0-9]+(,?)$/    …\1/' \
    -e '/^[^ ]+ +-?[0-9.]+ +[0-9.]+$/d' -e 's/noise [-0-9.]+ dB, cosine [0-9.]+/noise … dB, cosine …/'; }
model=fixture/../../models/bpnet-light.bpnet
cp "$model" net.bpnet

run export -m net.bpnet --dry-run
ls ./*.onnx 2>/dev/null
run export -m net.bpnet | blot
run export -m net.bpnet
run export -m net.bpnet --force --json -r results | blot
sed -E -e 's/"date".*"time": "[^"]*"/"date": …/' -e 's/[0-9]+\}/…}/' results/status.json
run export -m net.bpnet -o again -t tfonnx -k key -d 288,384,3 --data_format channels_last \
    --max_batch_size 1 --opt_batch_size 1 -s --max_workspace_size 1 | blot
cmp -s net.onnx again.onnx || echo "the intended size is in the metadata"
run export -m net.bpnet -o again --force --quiet | blot
cmp net.onnx again.onnx && echo "the same bytes"

# What is in them, by names that every reader sees.
names() { grep -a -o -E 'input_1:0|(paf_out|heatmap_out|conv2d_transpose_1)/BiasAdd:0' "$1" | sort | uniq; }
names net.onnx
run export -m net.bpnet -o deploy.onnx --sdk_compatible_model -u 4 --license CC-BY-4.0 | blot
names deploy.onnx
grep -a -o CC-BY-4.0 deploy.onnx
run export -m net.bpnet -o pixels.onnx --include-preprocessing --layout nchw --static_size -d 64,96 | blot
run export -m net.bpnet -o first.onnx -i channels_first -d 3,64,96 --static_batch_size 1 | blot
run export -m net.bpnet -t safetensors | blot

# In 8 bits, with the ranges of an engine; sealed, under the name that is for that; and back again.
"$MAKE_STICKS" . || exit
eight='--data_type int8 -d 64,96,3 --cpu ref --threads 1 --cal_image_dir images --batches 2'
run export -m net.bpnet -o eight.onnx $eight --cal_cache_file cal.bin | blot
names eight.onnx
grep -a -c QuantizeLinear eight.onnx
sed -E 's/: [0-9a-f]{8}$/: …/' cal.bin | sed -n -e 1p -e '/^input/p' -e '/BiasAdd/p'
run export -m net.bpnet -o table.onnx $eight --onnx_data_type fp32 --cal_cache_file again.bin --quiet | blot
cmp cal.bin again.bin && echo "the same table"
run export -m net.bpnet -o both.onnx --engine_file pose.engine --no_timing $eight --onnx_data_type int8 \
    --cal_cache_file '' --quiet | blot
cmp eight.onnx both.onnx && echo "the same bytes"
run export -m net.bpnet -o net.etlt -k key | blot
head -c 6 net.etlt; echo
run import net.etlt -o back.bpnet
run import net.etlt -o back.bpnet -k key
run inspect net.etlt -k key --summary --cpu ref --threads 1 | grep -v ^memory
run inspect eight.onnx --summary --json --cpu ref | grep -e kind -e sealed -e stages
run export -m net.bpnet -o plain.etlt | blot
cmp plain.etlt net.onnx && echo "no key, no seal"
run inference images/val_0000.jpg -m plain.etlt --no_drawings --quiet --json | grep width
run benchmark -m net.onnx --threads 1 --duration 0.05 --json 2> nothing | grep -e kind -e precision

# A spec that says something else than the model.
sed "s|image_scale: .*|image_scale: [255, 256, 256]|" fixture/../../specs/bpnet_train_m1_coco.yaml > other.yaml
cp fixture/../../specs/bpnet_18joints.json fixture/../../specs/coco_spec.json .
run export -m net.bpnet -o spec.onnx -e fixture/../../specs/bpnet_train_m1_coco.yaml | blot
run export -m net.bpnet -o other.onnx -e other.yaml | blot

# What makes no sense or cannot be done.
run export
run export -m net.bpnet -t uff
run export -m net.bpnet -o x -t caffe
run export -m net.bpnet -o x --data_type fp16
run export -m net.bpnet -o x --data_type fp32 --onnx_data_type int8
run export -m net.bpnet -o x --data_type int8 -t safetensors
run export -m net.bpnet -o x $eight --keep_batch_norm --cal_cache_file cal.bin
run export -m net.bpnet -o x --eval-dataset dataset.json
run export -m net.onnx
run export -m net.bpnet -o x -d 3,288,384
run export -m net.bpnet -o x -d 288
run export -m net.bpnet -o x -u 0
run export -m gone.bpnet
run export -m fixture/io/baseline.jpg -o x
run export -m net.bpnet -o nowhere/x.onnx
ls x* nowhere 2>/dev/null
