import org.jetbrains.kotlin.gradle.dsl.JvmTarget

plugins {
    alias(libs.plugins.android.library)
}

android {
    namespace = "org.mobilevitedge.onnx"
    compileSdk = libs.versions.compileSdk.get().toInt()
    defaultConfig {
        minSdk = libs.versions.minSdk.get().toInt()
    }
    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }
    testOptions {
        unitTests.all { test ->
            // Made by: python -m tools.make_vectors android_demo/build/vectors
            val vectors = rootProject.layout.buildDirectory.dir("vectors").get().asFile
            test.systemProperty("vectors", vectors.path)
            test.doFirst { check(vectors.isDirectory) { "first, in the repository: python -m tools.make_vectors $vectors" } }
        }
    }
}

kotlin {
    // Of the classes that are made, by whatever JDK runs Gradle: 17 or later.
    compilerOptions {
        jvmTarget = JvmTarget.JVM_17
    }
}

dependencies {
    api(project(":core"))
    implementation(libs.onnxruntime)
    testImplementation(libs.onnxruntime.jvm)
    testImplementation(libs.json)
    testImplementation(libs.junit)
    testImplementation(libs.kotlin.test.junit)
}
