// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <string_view>

/// The example of an object in RFC 8259, section 13.
inline constexpr std::string_view rfc8259_object = R"({
        "Image": {
            "Width":  800,
            "Height": 600,
            "Title":  "View from 15th Floor",
            "Thumbnail": {
                "Url":    "http://www.example.com/image/481989943",
                "Height": 125,
                "Width":  100
            },
            "Animated" : false,
            "IDs": [116, 943, 234, 38793]
          }
      })";
