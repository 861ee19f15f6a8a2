# Tests that hold the tool against ONNX Runtime, LiteRT or qonnx: a Python script and the heddle binary.
set(HEDDLE_ORACLES "$ENV{HEDDLE_ORACLES}" CACHE FILEPATH
    "Python of the oracles; empty: what scripts/oracles makes in build-oracles/venv")

# heddle_oracle_test(name script [TIMEOUT seconds] [ARGS ...]): the script finds the tool in $HEDDLE_TOOL, check_many in
# $HEDDLE_CHECK_MANY, the repository in $HEDDLE_SOURCE_DIR, and may `import oracle`. It exits with 77, and says why, where something it
# needs is absent: the test is skipped.
function(heddle_oracle_test name script)
  cmake_parse_arguments(TEST "" "TIMEOUT" "ARGS" ${ARGN})
  set(python "${HEDDLE_ORACLES}")
  if(NOT python)
    set(python "${PROJECT_SOURCE_DIR}/build-oracles/venv/bin/python")
  endif()
  if(NOT TEST_TIMEOUT)
    set(TEST_TIMEOUT 600)
  endif()
  get_filename_component(script "${script}" ABSOLUTE)
  add_test(NAME oracle/${name} COMMAND ${PROJECT_SOURCE_DIR}/tests/oracle/run ${python} ${script} ${TEST_ARGS})
  set_tests_properties(oracle/${name} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT ${TEST_TIMEOUT} ENVIRONMENT
    "HEDDLE_TOOL=$<TARGET_FILE:heddle>;HEDDLE_CHECK_MANY=$<TARGET_FILE:check_many>;HEDDLE_SOURCE_DIR=${PROJECT_SOURCE_DIR};PYTHONPATH=${PROJECT_SOURCE_DIR}/tests/oracle;PYTHONDONTWRITEBYTECODE=1")
endfunction()
