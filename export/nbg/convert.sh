#!/usr/bin/env bash
# Float ONNX to an .nb file for the Allwinner T527, by ACUITY's pegasus. README.md explains.
#   ALGORITHM=kl_divergence   how ranges are chosen: kl_divergence, moving_average or normal
#   HYBRID=1                  second run, after naming layers in model_pcq.quantize
#   CHECK=0                   leave out the comparisons with the float network
#   VIV_SDK, PEGASUS          where the simulator and pegasus are, if not in the usual places
set -euo pipefail
cd "$(dirname "$0")"

target=VIP9000NANOSI_PLUS_PID0X10000016
algorithm=${ALGORITHM:-kl_divergence}
viv_sdk=${VIV_SDK:-/root/Vivante_IDE/VivanteIDE5.8.2/cmdtools/vsimulator}
faces=@FACES@
input=@INPUT_NAME@
output=@OUTPUT_NAME@
size=@SIZE@
result=@RESULT@

if [ -n "${PEGASUS:-}" ]; then
  pegasus=("$PEGASUS")
elif command -v pegasus >/dev/null; then
  pegasus=(pegasus)
elif [ -e "${ACUITY_PATH:-}/pegasus" ]; then
  pegasus=("$ACUITY_PATH/pegasus")
elif [ -e "${ACUITY_PATH:-}/pegasus.py" ]; then
  pegasus=(python3 "$ACUITY_PATH/pegasus.py")
else
  echo "convert.sh: no pegasus: run this in Allwinner's Docker image (README.md)" >&2
  exit 1
fi

network=(--model model.json --model-data model.data --with-input-meta model_inputmeta.yml)
quantizer=(--quantizer perchannel_symmetric_affine --qtype int8 --model-quantize model_pcq.quantize)

# infer FOLDER OPTIONS...: run the first calibration face and dump what comes out.
infer() {
  local folder=$1
  shift
  [ "${CHECK:-1}" = 0 ] && return
  rm -rf "$folder"
  "${pegasus[@]}" inference "$@" --device CPU --batch-size 1 --iterations 1 --output-dir "$folder"
}

compare() {
  [ "${CHECK:-1}" = 0 ] || python3 kit.py compare "$@"
}

graph=model.json
if [ "${HYBRID:-0}" = 1 ]; then
  "${pegasus[@]}" quantize "${network[@]}" "${quantizer[@]}" --hybrid --device CPU \
    --batch-size 1 --iterations "$faces" --algorithm "$algorithm"
  [ -e model_pcq.quantize.json ] && graph=model_pcq.quantize.json
else
  "${pegasus[@]}" import onnx --model model.onnx --inputs "$input" --outputs "$output" \
    --input-size-list "3,$size,$size" --output-model model.json --output-data model.data
  python3 kit.py inputmeta model.json
  python3 kit.py unpack
  infer float "${network[@]}" --dtype float32
  compare float 0.999
  # --iterations: without it one face alone would decide the ranges.
  "${pegasus[@]}" quantize "${network[@]}" "${quantizer[@]}" --rebuild --compute-entropy \
    --device CPU --batch-size 1 --iterations "$faces" --algorithm "$algorithm"
fi

final=(--model "$graph" --model-data model.data --with-input-meta model_inputmeta.yml)
final+=(--dtype quantized --model-quantize model_pcq.quantize)
infer quantized "${final[@]}"
compare quantized 0.97

rm -rf out out_nbg_unify
"${pegasus[@]}" export ovxlib "${final[@]}" --target-ide-project linux64 --pack-nbg-unify \
  --optimize "$target" --viv-sdk "$viv_sdk" --output-path out/model
# The folder's name varies: _nbg_unify is appended to the output path or to its parent.
made=$(find . -path '*nbg_unify*' -name network_binary.nb | head -n 1)
if [ -z "$made" ]; then
  echo "convert.sh: pegasus made no network_binary.nb" >&2
  exit 1
fi
cp "$made" "$result.nb"
cp "$(dirname "$made")/nbg_meta.json" nbg_meta.json
echo "made $result.nb and nbg_meta.json: keep both together, then: python -m export nbg-check $result.nb"
