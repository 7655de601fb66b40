# Finds standalone Asio and makes the target cowire::asio of it. The build and the installed package
# both include this file, so that both search alike, in this order:
#   1. -D COWIRE_ASIO_INCLUDE_DIR=<the folder that has asio.hpp>
#   2. a target of the surrounding project: asio::asio or asio
#   3. a CMake package: find_package(asio CONFIG)
#   4. pkg-config asio
#   5. the bare headers of a distribution
# If that fails, COWIRE_ASIO_ERROR says why and what to install.

set(COWIRE_ASIO_INCLUDE_DIR "" CACHE PATH "Folder with asio.hpp; empty: search")

# Sets `out` to the folder of a target's headers, as far as it is known while configuring.
function(cowire_asio_dir_of target out)
  get_target_property(dirs ${target} INTERFACE_INCLUDE_DIRECTORIES)
  string(REGEX REPLACE [[\$<BUILD_INTERFACE:([^>]*)>]] [[\1]] dirs "${dirs}")
  find_path(found asio/version.hpp PATHS ${dirs} NO_DEFAULT_PATH NO_CACHE)
  set(${out} ${found} PARENT_SCOPE)
endfunction()

# Sets `target_out` to Asio's target, if there is one, and `dir_out` to the folder of its headers.
function(cowire_search_asio target_out dir_out)
  set(${target_out} "" PARENT_SCOPE)
  if(COWIRE_ASIO_INCLUDE_DIR)
    set(${dir_out} "${COWIRE_ASIO_INCLUDE_DIR}" PARENT_SCOPE)
    return()
  endif()
  if(NOT TARGET asio::asio AND NOT TARGET asio)
    find_package(asio CONFIG QUIET)
  endif()
  foreach(candidate IN ITEMS asio::asio asio)
    if(TARGET ${candidate})
      cowire_asio_dir_of(${candidate} found)
      set(${target_out} ${candidate} PARENT_SCOPE)
      set(${dir_out} ${found} PARENT_SCOPE)
      return()
    endif()
  endforeach()
  find_package(PkgConfig QUIET)
  if(PkgConfig_FOUND)
    pkg_check_modules(COWIRE_PC_ASIO QUIET asio)
  endif()
  # pkg-config leaves out the compiler's own folders; there the plain search finds the headers.
  find_path(found asio/version.hpp HINTS ${COWIRE_PC_ASIO_INCLUDE_DIRS} NO_CACHE)
  set(${dir_out} ${found} PARENT_SCOPE)
endfunction()

function(cowire_define_asio)
  set(remedy
    "Install it, or say where it is:\n"
    "  Debian, Ubuntu   apt install libasio-dev (from Debian 12 and Ubuntu 24.04 on it is new enough)\n"
    "  Fedora           dnf install asio-devel\n"
    "  Arch             pacman -S asio\n"
    "  macOS            brew install asio\n"
    "  vcpkg            vcpkg install asio\n"
    "  Conan            asio/[>=1.22.1]\n"
    "  by hand          -D COWIRE_ASIO_INCLUDE_DIR=<the folder that has asio.hpp>\n"
    "(Boost.Asio is another library and does not serve here.)")
  string(CONCAT remedy ${remedy})
  set(need "cowire needs standalone Asio 1.22.1 or newer, and found")
  foreach(name IN ITEMS Threads::Threads asio::asio asio)
    if(NOT TARGET ${name})
      list(APPEND found_here ${name})
    endif()
  endforeach()

  cowire_search_asio(target dir)
  set(version 0)
  if(EXISTS "${dir}/asio/version.hpp")
    file(STRINGS "${dir}/asio/version.hpp" line REGEX "^#define ASIO_VERSION [0-9]+")
    string(REGEX REPLACE "^#define ASIO_VERSION ([0-9]+).*" "\\1" version "${line}")
    math(EXPR minor "${version} / 100 % 1000")
    math(EXPR patch "${version} % 100")
    math(EXPR major "${version} / 100000")
    set(found "${major}.${minor}.${patch} in ${dir}")
    if(version LESS 102201)
      set(COWIRE_ASIO_ERROR "${need} ${found}.\n${remedy}" PARENT_SCOPE)
      return()
    endif()
  elseif(target)
    set(found "of unknown version (target ${target})")
  elseif(COWIRE_ASIO_INCLUDE_DIR)
    set(COWIRE_ASIO_ERROR
      "${need} none in COWIRE_ASIO_INCLUDE_DIR (${COWIRE_ASIO_INCLUDE_DIR}).\n${remedy}"
      PARENT_SCOPE)
    return()
  else()
    set(COWIRE_ASIO_ERROR "${need} none.\n${remedy}" PARENT_SCOPE)
    return()
  endif()
  message(STATUS "cowire: Asio ${found}")

  find_package(Threads REQUIRED)
  # What was found here is visible in this folder only; users of cowire need it in theirs.
  foreach(name IN LISTS found_here)
    if(TARGET ${name})
      get_target_property(imported ${name} IMPORTED)
      get_target_property(aliased ${name} ALIASED_TARGET)
      if(imported AND NOT aliased)
        set_target_properties(${name} PROPERTIES IMPORTED_GLOBAL TRUE)
      endif()
    endif()
  endforeach()

  add_library(cowire::asio INTERFACE IMPORTED GLOBAL)
  target_compile_definitions(cowire::asio INTERFACE ASIO_STANDALONE)
  target_link_libraries(cowire::asio INTERFACE Threads::Threads ${target})
  if(NOT target)
    target_include_directories(cowire::asio INTERFACE "${dir}")
  endif()
  if(version LESS 102600)
    # Before 1.26, Asio looks for <experimental/coroutine> when the compiler is clang.
    target_compile_definitions(cowire::asio INTERFACE
      $<$<CXX_COMPILER_ID:Clang,AppleClang>:ASIO_HAS_CO_AWAIT>)
  endif()
endfunction()

set(COWIRE_ASIO_ERROR "")
if(NOT TARGET cowire::asio)
  cowire_define_asio()
endif()
