# Networks from ONNX files, and files that are none.
run import fixture/onnx/pose_two.onnx -o two.bpnet -d 64,96
run inspect two.bpnet --cpu ref --threads 1 | grep -v ^memory
run import fixture/onnx/last.onnx -o last.bpnet --input_dims 12,16
run inspect last.bpnet --summary --cpu ref --threads 1 | grep -v ^memory
run inference fixture/io/baseline.jpg -m last.bpnet
run import fixture/onnx/pose_two.onnx -o three.bpnet --scale 255 --colour rgb --heat heat_2 --paf paf_2
run inspect three.bpnet --summary --cpu ref --threads 1 | grep ^input
run import fixture/onnx/pose_two.onnx -o none.bpnet --heat nothing
run import fixture/onnx/bad_operator.onnx -o none.bpnet
run import fixture/onnx/bad_external.onnx -o none.bpnet
run import fixture/io/baseline.jpg -o none.bpnet
run import nowhere.onnx -o none.bpnet
run import fixture/onnx/last.onnx -o none.bpnet -d 12
run import fixture/onnx/last.onnx
ls
