plugins {
    alias(libs.plugins.android.library)
}

android {
    namespace = "org.mobilevitedge.onnx"
    testOptions {
        unitTests.all { test ->
            // Made by: python -m tools.make_vectors android_demo/build/vectors
            val vectors = rootProject.layout.buildDirectory.dir("vectors").get().asFile
            test.systemProperty("vectors", vectors.path)
            test.doFirst { check(vectors.isDirectory) { "first, in the repository: python -m tools.make_vectors $vectors" } }
        }
    }
}

dependencies {
    implementation(libs.onnxruntime)
    testImplementation(libs.onnxruntime.jvm)
    testImplementation(libs.json)
    testImplementation(libs.junit)
    testImplementation(libs.kotlin.test.junit)
}
