plugins {
    alias(libs.plugins.android.library)
}

android {
    namespace = "org.mobilevitedge.qnn"
}

dependencies {
    implementation(project(":runtime-onnx"))
    implementation(libs.onnxruntime)
    // A hundred megabytes under Qualcomm's own license: whoever wants them asks for them, with -Pqnn.
    if (providers.gradleProperty("qnn").isPresent) runtimeOnly(libs.onnxruntime.qnn)
}
