# Runs one case of must_not_compile/: see CMakeLists.txt here.
file(STRINGS "${SOURCE}" first_line LIMIT_COUNT 1)
if(NOT first_line MATCHES "^// expect: (.+)$")
  message(FATAL_ERROR "${SOURCE} must start with the line: // expect: <regular expression>")
endif()
set(expected "${CMAKE_MATCH_1}")

set(command "${COMPILER}" ${OPTIONS})
foreach(folder IN LISTS INCLUDES)
  list(APPEND command "-I${folder}")
endforeach()
foreach(definition IN LISTS DEFINITIONS)
  list(APPEND command "-D${definition}")
endforeach()
list(APPEND command "${SOURCE}")
set(ENV{LC_ALL} C)

execute_process(COMMAND ${command} -DCONTROL -fsyntax-only RESULT_VARIABLE result
  OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "With -DCONTROL, ${SOURCE} must compile:\n${output}")
endif()

execute_process(COMMAND ${command} -fsyntax-only RESULT_VARIABLE result
  OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(result EQUAL 0)
  message(FATAL_ERROR "${SOURCE} compiles, and must not.")
endif()
if(NOT output MATCHES "${expected}")
  message(FATAL_ERROR "${SOURCE} does not compile, as it must, but nothing in the compiler's output "
    "matches\n  ${expected}\n${output}")
endif()
