// swift-tools-version:6.0
import PackageDescription

let package = Package(
    name: "MobileViTKit",
    platforms: [.iOS(.v16), .macOS(.v13)],
    products: [
        .library(name: "MobileViTKit", targets: ["MobileViTKit"]),
        .library(name: "MobileViTCoreML", targets: ["MobileViTCoreML"]),
    ],
    targets: [
        .target(name: "MobileViTKit"),
        .target(name: "MobileViTCoreML", dependencies: ["MobileViTKit"]),
        .testTarget(name: "MobileViTKitTests", dependencies: ["MobileViTKit"]),
    ]
)
