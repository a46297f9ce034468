import org.jetbrains.kotlin.gradle.dsl.JvmTarget

plugins {
    alias(libs.plugins.android.application)
}

android {
    namespace = "org.mobilevitedge.app"
    compileSdk = libs.versions.compileSdk.get().toInt()
    defaultConfig {
        applicationId = "org.mobilevitedge.app"
        minSdk = libs.versions.minSdk.get().toInt()
        targetSdk = libs.versions.compileSdk.get().toInt()
        versionCode = 2
        versionName = "0.2.0"
        ndk {
            // What both runtimes have, of phones and emulators.
            abiFilters += listOf("arm64-v8a", "x86_64")
        }
    }
    buildTypes {
        release {
            // The runtimes find their classes by name.
            isMinifyEnabled = false
        }
    }
    packaging {
        // The NPU's processor loads its half of the library by its path: it must be a file.
        jniLibs.useLegacyPackaging = providers.gradleProperty("qnn").isPresent
    }
    androidResources {
        // Bundles are compressed already.
        noCompress += "zip"
    }
    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }
}

kotlin {
    // Of the classes that are made, by whatever JDK runs Gradle: 17 or later.
    compilerOptions {
        jvmTarget = JvmTarget.JVM_17
    }
}

dependencies {
    implementation(project(":core"))
    implementation(project(":runtime-onnx"))
    implementation(project(":runtime-executorch"))
    implementation(project(":runtime-litert"))
    implementation(project(":runtime-qnn"))
}
