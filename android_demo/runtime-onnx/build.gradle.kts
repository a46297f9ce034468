plugins {
    alias(libs.plugins.android.library)
}

android {
    namespace = "org.mobilevitedge.onnx"
    compileSdk = libs.versions.compileSdk.get().toInt()
    defaultConfig {
        minSdk = libs.versions.minSdk.get().toInt()
    }
}

kotlin {
    jvmToolchain(17)
}

dependencies {
    api(project(":core"))
    implementation(libs.onnxruntime)
}
